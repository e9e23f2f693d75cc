"""Unpacks request bodies that clients compressed, within the bounds of other bodies. Used by body.py.

Some clients compress long conversations. What unpacks to more than a body may have is refused when it gets there, so a
small request cannot take much memory.
"""

import asyncio
import gzip
import io
import zlib
from collections.abc import Awaitable, Callable, Mapping

from tidegate.core.errors import InvalidCompression, UnsupportedCompression
from tidegate.wire.zstd import DecompressionParameter, ZstdError, ZstdFile

_PACKED_BYTES = 64 * 1024
_STEP_BYTES = 256 * 1024
"""Unpacked at once; other requests are served between two steps."""
_MAX_ZSTD_WINDOW_LOG = 23
"""Base-2 logarithm of bytes: 8 MB.

What a decoder must support (RFC 8878, 3.1.1.1.2); the memory of one that asks for more is refused."""

Read = Callable[[int], bytes]
"""Returns at most so many unpacked bytes, none at the end."""


def _gzip_reader(body: bytes) -> Read:
    return gzip.GzipFile(fileobj=io.BytesIO(body)).read


def _zstd_reader(body: bytes) -> Read:
    bounds: dict[int, int] = {DecompressionParameter.window_log_max: _MAX_ZSTD_WINDOW_LOG}
    return ZstdFile(io.BytesIO(body), options=bounds).read


def _deflate_reader(body: bytes) -> Read:
    """Return a reader of zlib's format, which HTTP calls deflate."""
    stream, rest, source = zlib.decompressobj(), b"", io.BytesIO(body)

    def read(size: int) -> bytes:
        nonlocal rest
        while not stream.eof:
            rest = rest or source.read(_PACKED_BYTES)
            if not rest:
                raise EOFError
            part = stream.decompress(rest, size)
            rest = stream.unconsumed_tail  # a copy
            if part:
                return part
        return b""

    return read


READERS: Mapping[str, Callable[[bytes], Read]] = {
    "gzip": _gzip_reader,
    "x-gzip": _gzip_reader,
    "deflate": _deflate_reader,
    "zstd": _zstd_reader,
}
"""By the `content-encoding`."""


def compression_of(headers: Mapping[str, str]) -> str:
    """Return the name of a body's compression, "" for none. Raises UnsupportedCompression."""
    name = headers.get("content-encoding", "").strip().lower()
    if name in ("", "identity"):
        return ""
    if name not in READERS:
        raise UnsupportedCompression
    return name


async def unpack(body: bytes, compression: str, take: Callable[[int], Awaitable[None]]) -> bytes:
    """Return the unpacked body; `take` is awaited with the size of each part before it is kept, and may raise.

    Raises InvalidCompression.
    """
    read = READERS[compression](body)
    parts: list[bytes] = []
    try:
        while part := read(_STEP_BYTES):
            await take(len(part))
            parts.append(part)
            await asyncio.sleep(0)
    except (OSError, EOFError, zlib.error, ZstdError) as error:
        raise InvalidCompression from error
    return b"".join(parts)

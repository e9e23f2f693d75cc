"""Stored answers: their original bytes, compressed, and what is needed to give them again.

The head ends with a checksum of head and body, so that a damaged answer is not given. One that an older release stored
has none.
"""

import zlib
from collections.abc import Generator

import msgspec

from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.endpoints import Endpoint
from tidegate.core.values import AnswerHead
from tidegate.wire.answer_form import split_events, to_body_in_steps, to_stream
from tidegate.wire.zstd import ZstdCompressor, ZstdDecompressor, ZstdError, get_frame_info

_MIN_COMPRESSED_BYTES = 512
"""Bytes; below, compression costs more than it saves."""
_LEVEL = 1
_CHECKSUM_BYTES = 4
_encode_head = msgspec.msgpack.Encoder().encode
_MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""The largest size of an unpacked answer in bytes."""


class UnreadableAnswer(Exception):
    """A stored answer is damaged, or has another format: it is no answer."""


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as the upstream sent it: one body, or the concatenated events of a stream."""

    stream: bool
    body: bytes
    served_by: str
    echo: str = ""
    """The caller's own values that the answer repeats, in canonical form."""
    adapted: tuple[str, ...] = ()
    """What parameter rules changed in the call."""
    stored_at: float = 0.0
    """Unix seconds at which it was stored."""
    fresh_until: float = 0.0
    """Unix seconds until which it is, or was, fresh."""

    def buffered(self, *, age: int | None = None) -> BufferedAnswer:
        """Return the answer in the form in which readers and flights take it; with an `age`, as a stale one."""
        head = AnswerHead(
            stream=self.stream,
            served_by=self.served_by,
            echo=self.echo,
            stale=age is not None,
            age=age,
            adaptations=self.adapted,
        )
        return BufferedAnswer(head, split_events(self.body) if self.stream else [self.body])


class _StoredHead(msgspec.Struct, array_like=True):
    stream: bool
    packed: bool
    served_by: str
    echo: str
    adapted: tuple[str, ...] = ()
    checksum: bytes = b""


class AnswerCodec:
    """Pack answers for Redis, and unpack them. Not thread-safe: it keeps its compressor."""

    def __init__(self) -> None:
        self._compressor = ZstdCompressor(level=_LEVEL)
        self._read_head = msgspec.msgpack.Decoder(_StoredHead)

    def pack(self, answer: StoredAnswer) -> tuple[bytes, bytes]:
        """Return the answer as (head, body)."""
        packed = len(answer.body) >= _MIN_COMPRESSED_BYTES
        body = self._compressor.compress(answer.body, ZstdCompressor.FLUSH_FRAME) if packed else answer.body
        head = _encode_head(
            _StoredHead(answer.stream, packed, answer.served_by, answer.echo, answer.adapted, bytes(_CHECKSUM_BYTES))
        )[:-_CHECKSUM_BYTES]
        return head + _checksum(head, body), body

    def unpack(self, head: bytes, body: bytes, stored_at: float, *, fresh_until: float = 0.0) -> StoredAnswer:
        """Return the answer that was packed. The two times are stored beside it. Raises UnreadableAnswer."""
        try:
            fields = self._read_head.decode(head)
            if fields.checksum and fields.checksum != _checksum(head[:-_CHECKSUM_BYTES], body):
                raise UnreadableAnswer
            unpacked = _decompress(body) if fields.packed else body
        except (msgspec.DecodeError, UnicodeDecodeError, ZstdError) as error:
            raise UnreadableAnswer from error
        return StoredAnswer(
            stream=fields.stream,
            body=unpacked,
            served_by=fields.served_by,
            echo=fields.echo,
            adapted=fields.adapted,
            stored_at=stored_at,
            fresh_until=fresh_until,
        )


def unpacked_size(body: bytes) -> int:
    """Return the bytes that a stored body takes once it is unpacked."""
    try:
        return get_frame_info(body).decompressed_size or len(body)
    except ZstdError:  # it is stored as it came
        return len(body)


def _decompress(body: bytes) -> bytes:
    decompressor = ZstdDecompressor()
    unpacked = decompressor.decompress(body, _MAX_UNPACKED_BYTES)
    if not decompressor.eof:
        raise UnreadableAnswer
    return unpacked


def _checksum(head: bytes, body: bytes) -> bytes:
    return zlib.crc32(body, zlib.crc32(head)).to_bytes(_CHECKSUM_BYTES)


def in_form_in_steps(stored: StoredAnswer, route: Endpoint, *, stream: bool) -> Generator[None, None, StoredAnswer]:
    """Return the answer as a stream or as one body, whichever form it has; a long stream is joined in steps."""
    if stored.stream == stream:
        return stored
    if stream:
        body = b"".join(to_stream(route, stored.body))
    else:
        body = yield from to_body_in_steps(route, split_events(stored.body))
    return msgspec.structs.replace(stored, stream=stream, body=body)

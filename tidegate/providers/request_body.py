"""The body of a request to a provider: one text, the parts of a large one, or pieces that are sent as they arrive."""

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping

import msgspec

from tidegate.core.errors import TidegateError

_SEND_CHUNK_BYTES = 256 * 1024
"""Bytes; a longer body is sent piece by piece, so that others get their turn meanwhile."""


class StreamedBody:
    """A body that is sent as it arrives, and never whole in memory. It can be sent once."""

    __slots__ = ("broken_off", "pieces", "size")

    def __init__(self, pieces: AsyncIterator[bytes], size: int | None) -> None:
        """`size` is in bytes; None where it is not known, so that the body is sent in chunks.

        What `pieces` raises, a TidegateError, ends the call: the request is not completed, and its connection cut.
        """
        self.pieces = pieces
        self.size = size
        self.broken_off: TidegateError | None = None
        """What `pieces` has raised."""

    def __repr__(self) -> str:
        return f"<StreamedBody of {'unknown size' if self.size is None else f'{self.size} bytes'}>"


HeldBody = bytes | tuple[memoryview, ...]
"""A body in memory; it can be sent again."""
RequestBody = HeldBody | StreamedBody


def in_parts(fields: Mapping[str, msgspec.Raw]) -> tuple[memoryview, ...]:
    """Return the JSON object with these fields: to join them would hold up other calls, and take as much memory."""
    parts: list[memoryview] = []
    lead = b"{"
    for name, value in fields.items():
        parts += (memoryview(lead + msgspec.json.encode(name) + b":"), memoryview(value))
        lead = b","
    return (*parts, memoryview(b"}" if parts else b"{}"))


def joined(body: HeldBody) -> bytes:
    """Return a body as one text."""
    return body if isinstance(body, bytes) else b"".join(body)


def is_long(body: RequestBody) -> bool:
    """Return whether a body is to be sent piece by piece."""
    return not isinstance(body, bytes) or len(body) > _SEND_CHUNK_BYTES


def size_of(body: RequestBody) -> int | None:
    """Return the bytes of a body; None where they are not known before it is sent."""
    if isinstance(body, StreamedBody):
        return body.size
    return len(body) if isinstance(body, bytes) else sum(part.nbytes for part in body)


async def pieces_of(body: RequestBody) -> AsyncIterator[memoryview]:
    """Yield a body piece by piece; others get their turn in between."""
    if isinstance(body, StreamedBody):
        try:
            async for piece in body.pieces:
                yield memoryview(piece)
        except TidegateError as error:
            body.broken_off = copy.copy(error)  # without the traceback, which would keep the body alive
            raise
        return
    for part in (memoryview(body),) if isinstance(body, bytes) else body:
        for start in range(0, part.nbytes, _SEND_CHUNK_BYTES):
            yield part[start : start + _SEND_CHUNK_BYTES]
            await asyncio.sleep(0)


async def framed_pieces_of(body: RequestBody) -> AsyncIterator[bytes | memoryview]:
    """Yield a body as it goes over the wire: in chunks where its size is not known (RFC 9112, 7.1)."""
    if size_of(body) is not None:
        async for piece in pieces_of(body):
            yield piece
        return
    async for piece in pieces_of(body):
        if piece.nbytes:  # an empty chunk would be the end
            yield b"".join((b"%x\r\n" % piece.nbytes, piece, b"\r\n"))
    yield b"0\r\n\r\n"


def framing_of(body: RequestBody | None) -> Mapping[str, str]:
    """Return the header that tells where a body ends; none where there is no body."""
    if body is None:
        return {}
    size = size_of(body)
    return {"transfer-encoding": "chunked"} if size is None else {"content-length": str(size)}

"""The body of a request to a provider: one text, or, where it is large, the parts of one, which are no copies."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import msgspec

RequestBody = bytes | tuple[memoryview, ...]

_SEND_CHUNK_BYTES = 256 * 1024
"""Bytes; a longer body is sent piece by piece, so that others get their turn meanwhile."""


def in_parts(fields: Mapping[str, msgspec.Raw]) -> tuple[memoryview, ...]:
    """Return the JSON object with these fields: to join them would hold up other calls, and take as much memory."""
    parts: list[memoryview] = []
    lead = b"{"
    for name, value in fields.items():
        parts += (memoryview(lead + msgspec.json.encode(name) + b":"), memoryview(value))
        lead = b","
    return (*parts, memoryview(b"}" if parts else b"{}"))


def joined(body: RequestBody) -> bytes:
    """Return a body as one text."""
    return body if isinstance(body, bytes) else b"".join(body)


def is_long(body: RequestBody) -> bool:
    """Return whether a body is to be sent piece by piece."""
    return not isinstance(body, bytes) or len(body) > _SEND_CHUNK_BYTES


def size_of(body: RequestBody) -> int:
    """Return the bytes of a body."""
    return len(body) if isinstance(body, bytes) else sum(part.nbytes for part in body)


async def pieces_of(body: RequestBody) -> AsyncIterator[memoryview]:
    """Yield a body piece by piece; others get their turn in between."""
    for part in (memoryview(body),) if isinstance(body, bytes) else body:
        for start in range(0, part.nbytes, _SEND_CHUNK_BYTES):
            yield part[start : start + _SEND_CHUNK_BYTES]
            await asyncio.sleep(0)

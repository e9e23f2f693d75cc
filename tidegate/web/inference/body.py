"""Reads a request's body, bounded in size, time and memory. Used by all HTTP handlers."""

import io
from collections.abc import Mapping
from typing import Protocol

import msgspec

from tidegate.core.config import BODY_COPIES, ServerConfig
from tidegate.core.errors import BodyTimeout, BodyTooLarge, ClientDisconnected, TooManyValues
from tidegate.core.process.call_memory import MemoryHold
from tidegate.core.process.heavy_turns import HeavyTurns, with_pauses
from tidegate.core.process.interrupt import Interruption
from tidegate.web.asgi_cycle import Receive
from tidegate.web.inference.compression import compression_of, unpack
from tidegate.wire.decoded_size import decoded_size_in_steps

_LARGE_BYTES = 64 * 1024
"""The memory that a smaller body takes once it is decoded is not estimated: it is little in any case."""
MAX_CONTAINERS = 131_072
"""Lists and objects of one body: they take about 20 ms to decode, for which no other call goes on."""


class BodyBounds(msgspec.Struct, frozen=True):
    """How large a body may be, and how long it may take to arrive."""

    max_bytes: int
    seconds: float

    @classmethod
    def of(cls, config: ServerConfig) -> "BodyBounds":
        """Return the configured bounds."""
        return cls(config.max_body_bytes, config.body_seconds)


class BodySource(Protocol):
    """A request whose body is read: a `ClientExchange`."""

    has_arrived: bool
    """Whether the whole body is there, so that reading waits for nothing."""

    async def read(self) -> tuple[bytes, bool]:
        """Return what has arrived since the last call, and whether that is the end. Raises ClientDisconnected."""
        ...


class AsgiBody:
    """The body of a request that is answered by ASGI. Implements `BodySource`."""

    has_arrived = False

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def read(self) -> tuple[bytes, bool]:
        """Return the next part, and whether it is the last. Raises ClientDisconnected."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        return message.get("body", b""), not message.get("more_body", False)


async def read_body(
    source: BodySource,
    headers: Mapping[str, str],
    bounds: BodyBounds,
    hold: MemoryHold,
    turns: HeavyTurns | None = None,
) -> bytes:
    """Return the whole body, once `hold` has the memory for it; until then nothing is read.

    With `turns`, a large body is looked through in them.
    Raises MemoryShareExceeded, BodyTooLarge, BodyTimeout, ClientDisconnected, TooManyValues, InvalidCompression or
    UnsupportedCompression.
    """
    content_length = headers.get("content-length", "")
    length = int(content_length) if content_length.isascii() and content_length.isdigit() else 0
    if length > bounds.max_bytes:
        raise _too_large(bounds.max_bytes)
    compression = compression_of(headers)
    if length:
        await hold.grow(BODY_COPIES * length)
    if source.has_arrived:
        body = await _collect(source, bounds.max_bytes, hold, length)
    else:
        seconds = bounds.seconds
        with Interruption(seconds, lambda: BodyTimeout(f"The request's body did not arrive within {seconds:g} s.")):
            body = await _collect(source, bounds.max_bytes, hold, length)
    if compression:
        body = await _unpack(body, compression, bounds.max_bytes, hold)
    if len(body) > _LARGE_BYTES:
        await hold_decoded(body, hold, turns)
    return body


async def _unpack(body: bytes, compression: str, max_bytes: int, hold: MemoryHold) -> bytes:
    size = 0

    async def take(count: int) -> None:
        nonlocal size
        size += count
        if size > max_bytes:
            raise _too_large(max_bytes)
        await hold.grow(BODY_COPIES * count)

    return await unpack(body, compression, take)


async def hold_decoded(text: bytes, hold: MemoryHold, turns: HeavyTurns | None = None) -> None:
    """Hold what a JSON text takes more than usual once it is decoded. Raises TooManyValues and MemoryShareExceeded."""
    steps = decoded_size_in_steps(text)
    decoded = await (with_pauses(steps) if turns is None else turns.run(hold.key_id, steps))
    more = decoded.size - len(text)
    if decoded.containers > MAX_CONTAINERS or hold.held_bytes + more > hold.max_bytes:
        raise TooManyValues
    await hold.grow(more)


async def _collect(source: BodySource, max_bytes: int, hold: MemoryHold, expected: int) -> bytes:
    gathered = io.BytesIO()
    size = 0
    while True:
        part, is_last = await source.read()
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        if size > expected:  # without `content-length`
            await hold.grow(BODY_COPIES * (size - expected))
            expected = size
        if is_last and size == len(part):
            return part
        gathered.write(part)
        if is_last:
            return gathered.getvalue()  # what was written, without another copy


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The request was not processed: its body is larger than {max_bytes:,} bytes, the limit of this gateway."
    )

"""Sends and receives the bytes of Redis's protocol: commands leave in one write per turn of the event loop.

Used by `RedisLink`.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import hiredis
from redis.asyncio.connection import Connection
from redis.exceptions import BusyLoadingError, MovedError, NoScriptError, RedisError, ResponseError

Reply = Any
"""A reply as Redis sends it: bytes, an integer, a list, None, or a RedisError."""


class RedisWire(asyncio.Protocol):
    """A connection that redis-py has opened and handed over after its handshake.

    redis-py's own reader and writer handle one command at a time; with many pending they cost more than everything
    else.
    """

    def __init__(self, connection: Connection, on_reply: Callable[[Reply], None]) -> None:
        """`on_reply` is called with each reply, in the order of the commands. Call `close` at the end."""
        self.loop = asyncio.get_running_loop()
        self._on_reply = on_reply
        self._reader = hiredis.Reader(replyError=_error, protocolError=RedisError)
        self._outgoing: list[bytes] = []
        self._flushes = False
        self._paused = False
        self.closed: asyncio.Future[None] = self.loop.create_future()
        """Raises RedisError once the connection is closed."""
        writer = cast("asyncio.StreamWriter", connection._writer)  # noqa: SLF001  # there is no other way to its socket
        self._transport = cast("asyncio.Transport", writer.transport)
        self._transport.set_protocol(self)

    def send(self, packed: bytes) -> None:
        """Send a command, together with all others of this turn of the event loop."""
        self._outgoing.append(packed)
        if not self._flushes and not self._paused:
            self._flushes = True
            self.loop.call_soon(self._flush)

    def close(self) -> None:
        """Close the connection."""
        self._transport.abort()
        if not self.closed.done():
            self.closed.cancel()

    def _flush(self) -> None:
        self._flushes = False
        if self._outgoing and not self._paused and not self._transport.is_closing():
            leaving, self._outgoing = self._outgoing, []
            self._transport.write(leaving[0] if len(leaving) == 1 else b"".join(leaving))

    # called by the transport

    def data_received(self, data: bytes) -> None:
        """Pass on each complete reply."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._on_reply(reply)
        except RedisError as error:
            self._fail(error)
            self._transport.abort()

    def eof_received(self) -> None:
        """Note that Redis closed the connection."""
        self._fail(RedisError("Redis closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed."""
        self._fail(RedisError(f"the connection broke: {exc or 'closed'}"))

    def pause_writing(self) -> None:
        """Buffer commands, because Redis does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Send the buffered commands."""
        self._paused = False
        self._flush()

    def fail(self, error: RedisError) -> None:
        """Close the connection, because of this error."""
        self._fail(error)
        self._transport.abort()

    def _fail(self, error: RedisError) -> None:
        if not self.closed.done():
            self.closed.set_exception(error)


def _error(message: str) -> RedisError:
    """Return the error with which Redis refused a command."""
    if message.startswith("MOVED"):
        return MovedError(message.removeprefix("MOVED "))
    if message.startswith("NOSCRIPT"):
        return NoScriptError(message)
    return BusyLoadingError(message) if message.startswith("LOADING") else ResponseError(message)

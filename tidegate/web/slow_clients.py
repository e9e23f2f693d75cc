"""Gives up clients that do not read what was written for them. Used by http_protocol.py."""

import asyncio
from typing import Protocol

from tidegate.core.errors import ClientDisconnected

SLOWEST_BYTES = 48 * 1024
"""That a client takes within its time at least, where as much waits for it."""


class WatchedConnection(Protocol):
    """A connection that writes to a client."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def give_up(self, gone: ClientDisconnected) -> None:
        """End the connection."""
        ...


class SlowClientWatch:
    """Watches one connection while more waits for its client than should, or while it is being closed."""

    __slots__ = ("_connection", "_left_bytes", "_seconds", "_timer")

    def __init__(self, connection: WatchedConnection, seconds: float) -> None:
        """`seconds` is how long a client may take nothing."""
        self._connection = connection
        self._seconds = seconds
        self._left_bytes = 0
        """What the client had not taken when this last looked."""
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch, unless it does already."""
        if self._timer is None:
            self._left_bytes = self._connection.transport.get_write_buffer_size()
            self._timer = self._connection.loop.call_later(self._seconds, self._look)

    def stop(self) -> None:
        """Watch no longer: the client has taken most of it, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        before, self._timer = self._left_bytes, None
        connection = self._connection
        if connection.transport.get_write_buffer_size() > before - SLOWEST_BYTES:
            connection.give_up(ClientDisconnected(f"The client did not read its answer for {self._seconds:g} s."))
        else:
            self.start()

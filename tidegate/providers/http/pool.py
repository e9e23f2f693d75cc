"""The connections to one upstream: idle ones are used again, and there are never more than allowed.

A call that its client leaves costs a connection: its half is closed. A new one is opened at once in its place.
Otherwise one caller that leaves its calls would have all others wait for connections, which take several round trips.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from tidegate.core.errors import TidegateError
from tidegate.providers.http.connection import UpstreamConnection

_MAX_REPLACEMENTS = 32
"""Connections that are opened at once in the place of others."""
_REPLACEMENT_SECONDS = 10.0

Connect = Callable[["OriginPool"], Awaitable[UpstreamConnection]]
"""Opens a connection for a pool. Raises ConnectionFailed or OutOfFileDescriptors."""


class OriginPool:
    """The connections to one scheme, host and port. Implements `ConnectionOwner`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connect: Connect, *, max_connections: int) -> None:
        """At most `max_connections` at once, opened by `connect`; a call that needs one more waits for its turn."""
        self._loop = loop
        self._connect = connect
        self._free = max_connections
        """How many more may be opened."""
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._waiting: deque[asyncio.Future[UpstreamConnection | None]] = deque()
        self._replacements: set[asyncio.Task[None]] = set()

    def take_idle(self) -> UpstreamConnection | None:
        """Return an idle connection, the one that was used last; None if there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.cut()
        return None

    async def take(self, connecting: contextlib.AbstractContextManager[object]) -> UpstreamConnection:
        """Return a connection: an idle one, a new one, or, after waiting, the next that is free.

        `connecting` is entered while a new one is opened. Raises ConnectionFailed, and what `connecting` raises.
        """
        connection = self.take_idle()
        if connection is None and self._free <= 0:
            connection = await self._wait()
        elif connection is None:
            self._free -= 1
        if connection is not None:
            return connection
        with connecting:
            return await self._open()

    def note_idle(self, connection: UpstreamConnection) -> None:
        """Take a connection that may serve another call."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def note_half_closed(self) -> None:
        """Open a connection in the place of one that serves no other call, unless as many are idle as are in use."""
        in_use = len(self._all) - len(self._idle)
        if self._free > 0 and len(self._idle) < in_use and len(self._replacements) < _MAX_REPLACEMENTS:
            self._free -= 1
            task = self._loop.create_task(self._replace())
            self._replacements.add(task)
            task.add_done_callback(self._replacements.discard)

    def note_lost(self, connection: UpstreamConnection) -> None:
        """Forget a connection that is closed."""
        if connection in self._all:
            self._all.discard(connection)
            self._give_place()
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close all connections."""
        for task in self._replacements:
            task.cancel()
        for connection in tuple(self._all):
            connection.cut()
        self._idle.clear()

    async def _open(self) -> UpstreamConnection:
        """Open a connection whose place is taken already."""
        try:
            connection = await self._connect(self)
        except BaseException:  # also where the call is cancelled: its place goes to the next one
            self._give_place()
            raise
        if connection.is_closed:  # in the moment in which it was opened
            self._give_place()
        else:
            self._all.add(connection)
        return connection

    async def _replace(self) -> None:
        # the next call that needs a connection says why there is none
        with contextlib.suppress(TidegateError, TimeoutError):
            async with asyncio.timeout(_REPLACEMENT_SECONDS):
                connection = await self._open()
            if not connection.is_closed:
                connection.rest()

    async def _wait(self) -> UpstreamConnection | None:
        """Return the next free connection, or None where one may be opened, whose place is then taken."""
        while True:
            waiter: asyncio.Future[UpstreamConnection | None] = self._loop.create_future()
            self._waiting.append(waiter)
            try:
                connection = await waiter
            except asyncio.CancelledError:
                self._pass_on(waiter)
                raise
            if connection is None or connection.is_usable():
                return connection
            connection.cut()

    def _pass_on(self, waiter: asyncio.Future[UpstreamConnection | None]) -> None:
        """Give to the next what came for a call that is cancelled."""
        if waiter.cancelled() or not waiter.done():
            return
        connection = waiter.result()
        if connection is None:
            self._give_place()
        else:
            self.note_idle(connection)

    def _give_place(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

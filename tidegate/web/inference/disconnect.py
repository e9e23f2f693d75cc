"""Cancels a request within 100 ms after its client disconnected, and one whose client stopped reading."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from tidegate.core.errors import ClientDisconnected
from tidegate.web.inference.reply import HttpResponseWriter

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

WATCH_DELAY_SECONDS = 0.05
"""Watching starts after this time: most requests are answered by then, and starting costs 15 µs."""


class DisconnectWatcher:
    """A context that cancels its task and raises ClientGone when the client is gone.

    A client is gone if it disconnects, or reads no byte for `stuck_seconds`. Enter it after reading the body.
    """

    def __init__(self, receive: Receive, reply: HttpResponseWriter, *, stuck_seconds: float) -> None:
        self._receive = receive
        self._reply = reply
        self._stuck_seconds = stuck_seconds
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self._watchers: list[asyncio.Task[None]] = []
        self._disconnect: ClientDisconnected | None = None

    async def __aenter__(self) -> Self:
        self._timer = self._loop.call_later(WATCH_DELAY_SECONDS, self._start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        watchers, self._watchers = (
            self._watchers,
            [],
        )  # their cancellation would keep this object, and it would keep them
        for watcher in watchers:
            watcher.cancel()
        if self._disconnect is None or self._task is None:
            return
        if error is None:
            # the client left at the very end: let the pending cancellation arrive here, not in later code
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        self._task.uncancel()
        if isinstance(error, asyncio.CancelledError):
            raise self._disconnect from error

    def _start(self) -> None:
        self._watchers = [
            asyncio.create_task(self._watch_connection(), name="hang-up-watch"),
            asyncio.create_task(self._watch_writes(), name="stuck-watch"),
        ]

    async def _watch_connection(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancel(ClientDisconnected())

    async def _watch_writes(self) -> None:
        while True:
            await asyncio.sleep(self._stuck_seconds / 4)
            since = self._reply.sending_since
            if since is not None and self._loop.time() - since >= self._stuck_seconds:
                self._cancel(ClientDisconnected(f"The client read no byte for {self._stuck_seconds:g} s."))

    def _cancel(self, gone: ClientDisconnected) -> None:
        if self._disconnect is None and self._task is not None:
            self._disconnect = gone
            self._task.cancel()

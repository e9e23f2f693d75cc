"""A client that hangs up ends its request, within 100 ms."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from tidegate.core.errors import ClientGone

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

NOTICE_SECONDS = 0.05
"""A request younger than this is not watched: most are answered by then, and a watch costs 15 µs."""


class HangUp:
    """Within this context a hang-up cancels what the task waits for, and ClientGone is raised.

    Use it after the request's body was read.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False

    async def __aenter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(NOTICE_SECONDS, self._start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if not self._gone or self._task is None:
            return
        if error is None:
            # gone at the very end: the cancellation is still on its way, and must not hit what comes after
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        self._task.uncancel()
        if isinstance(error, asyncio.CancelledError):
            raise ClientGone from error

    def _start(self) -> None:
        self._watcher = asyncio.create_task(self._watch(), name="hang-up-watch")

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if self._task is not None:
            self._task.cancel()

"""A comment line for a streaming client whenever nothing else was sent for a while.

So that no load balancer's idle timeout (60 s is common) cuts a call that is alive, before its first byte too.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self


class Heartbeat:
    """Within this context `beat` is awaited after each `seconds` of silence; `sent` ends a silence.

    There is one timer for a whole stream; nothing is done for an event but noting the time.
    """

    def __init__(self, beat: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._beat_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.note_sent()
        self._timer = self._loop.call_at(self._due_at, self._check)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._beat_task is not None:
            if error is not None:
                self._beat_task.cancel()  # whoever takes no byte takes no beat either, and would hold us up
            await asyncio.wait({self._beat_task})

    def note_sent(self) -> None:
        """Something was sent just now."""
        self._due_at = self._loop.time() + self._seconds

    def _check(self) -> None:
        if self._loop.time() >= self._due_at:
            self._beat_task = asyncio.create_task(self._beat_once(), name="heartbeat")
        self._timer = self._loop.call_at(max(self._due_at, self._loop.time() + self._seconds / 10), self._check)

    async def _beat_once(self) -> None:
        self.note_sent()
        await self._beat()

"""Sends a comment line to a streaming client after a time of silence. Used by HttpResponseWriter.

This keeps load balancers with an idle timeout (60 s is common) from closing a live request, also before its first byte.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self


class Heartbeat:
    """A context that awaits `beat` after each `seconds` of silence; `note_sent` restarts the silence.

    One timer serves a whole stream; each event only costs noting the time.
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
                self._beat_task.cancel()  # a client that does not read would block the heartbeat, too
            await asyncio.wait({self._beat_task})

    def note_sent(self) -> None:
        """Note that something was sent now."""
        self._due_at = self._loop.time() + self._seconds

    def _check(self) -> None:
        if self._loop.time() >= self._due_at:
            self._beat_task = asyncio.create_task(self._beat_once(), name="heartbeat")
        self._timer = self._loop.call_at(max(self._due_at, self._loop.time() + self._seconds / 10), self._check)

    async def _beat_once(self) -> None:
        self.note_sent()
        await self._beat()

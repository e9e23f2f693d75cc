"""Sends a comment line to a streaming client after a time of silence. Used by HttpResponseWriter.

This keeps load balancers with an idle timeout (60 s is common) from closing a live request, also before its first byte.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Heartbeat:
    """A context that calls `beat` after each `seconds` of silence.

    One timer serves a whole stream; each event only costs setting `due_at`.
    """

    def __init__(self, beat: Callable[[], None], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self.due_at = 0.0
        """Event-loop time of the next beat. The sender of an event sets it anew."""

    def __enter__(self) -> Self:
        self.due_at = self._loop.time() + self._seconds
        self._timer = self._loop.call_at(self.due_at, self._check)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _check(self) -> None:
        now = self._loop.time()
        if now >= self.due_at:
            self._beat()
            self.due_at = now + self._seconds
        self._timer = self._loop.call_at(self.due_at, self._check)

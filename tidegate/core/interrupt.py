"""Interrupts what a task waits for, with an error of ours, when there is no use in waiting any more."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tidegate.core.errors import TidegateError


class Interruption:
    """Within this context, to be entered once, `strike` ends the waiting with its error.

    It does what `asyncio.timeout` does, at a third of the cost: every call waits for several things.
    """

    def __init__(self, seconds: float | None = None, make_error: Callable[[], TidegateError] = TidegateError) -> None:
        """With `seconds` it strikes by itself after them, with the error that `why` gives."""
        self._seconds = seconds
        self._why = make_error
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._error: TidegateError | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it ended the waiting."""
        return self._error is not None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        assert self._task is not None  # noqa: S101  # coroutines run in tasks
        self._cancelling = self._task.cancelling()
        if self._seconds is not None:
            self._timer = loop.call_later(max(0.0, self._seconds), self._time_is_up)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
        if self._error is None or task is None:
            return
        if task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise self._error from error

    def interrupt(self, error: TidegateError) -> None:
        """End the waiting; nothing where it has not begun, is over, or was ended already."""
        if self._task is not None and self._error is None:
            self._error = error
            self._task.cancel()

    def _time_is_up(self) -> None:
        self.interrupt(self._why())

"""Interrupts what a task waits for, with an error of ours, when there is no use in waiting any more."""

import asyncio
from types import TracebackType
from typing import Any, Self

from tidegate.core.errors import TidegateError


class Interruption:
    """Within this context, to be entered once, `strike` ends the waiting with its error; as `asyncio.timeout` does."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._error: TidegateError | None = None

    @property
    def struck(self) -> bool:
        """Whether it ended the waiting."""
        return self._error is not None

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None  # noqa: S101  # coroutines run in tasks
        self._cancelling = self._task.cancelling()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._error is None or task is None:
            return
        if task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise self._error from error

    def strike(self, error: TidegateError) -> None:
        """End the waiting; nothing where it has not begun, is over, or was ended already."""
        if self._task is not None and self._error is None:
            self._error = error
            self._task.cancel()

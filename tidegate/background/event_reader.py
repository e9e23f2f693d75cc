"""A background response's stream, from any event on, in any process."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from tidegate.background.event_log import EventLog, Said
from tidegate.background.notifications import News
from tidegate.core.errors import PostgresUnavailable, TidegateError
from tidegate.core.values import AnswerHead

_LOOK_SECONDS = 0.5
"""Between looks while there is no news."""
_PATIENCE_SECONDS = 60.0
"""How long PostgreSQL may be away under a stream before its reader is told to come again."""


class Reader:
    """The stream of one response, after an event. Implements `tidegate.pipeline.delivery.Journey`.

    Whoever leaves it ends nothing: the response goes on.
    """

    cost_nanos = 0
    """The job's own call bears the cost."""

    def __init__(
        self,
        log: EventLog,
        news: News,
        *,
        project: str,
        response_id: str,
        after: int,
        gone: Callable[[], TidegateError],
    ) -> None:
        """`after` is the number of the last event that the reader has, -1 for none; `gone` says that it was deleted."""
        self._log = log
        self._news = news
        self._project = project
        self._id = response_id
        self._last = after
        self._gone = gone
        self._read: deque[bytes] = deque()
        self._taken = 0
        self._over = False

    def board(self) -> None:
        """Nobody counts."""

    def leave(self) -> None:
        """Nobody counts."""

    async def opened(self) -> AnswerHead:
        """It is a stream, whatever comes."""
        return AnswerHead(stream=True, served_by="")

    async def event(self, index: int) -> bytes | None:
        """The stream's event number `index`, counted from where the reader began; None at its end.

        Asked in order; may be cancelled and asked again. Raises TidegateError.
        """
        while self._taken < index and self._read:
            self._read.popleft()
            self._taken += 1
        while not self._read:
            if self._over:
                return None
            await self._more()
        return self._read[0]

    async def _more(self) -> None:
        """Wait for what follows."""
        with self._news.listening(self._id) as bell:
            while True:
                said = await self._look()
                if said.events or said.over:
                    self._read.extend(said.events)
                    self._last = max(self._last, said.first + len(said.events) - 1)
                    self._over = said.over
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), _LOOK_SECONDS)
                bell.clear()

    async def _look(self) -> Said:
        loop = asyncio.get_running_loop()
        patience = loop.time() + _PATIENCE_SECONDS
        while True:
            try:
                said = await self._log.after(self._project, self._id, self._last)
            except PostgresUnavailable:
                if loop.time() >= patience:
                    raise
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                if said is None:
                    raise self._gone()
                return said

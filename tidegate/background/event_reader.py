"""A background response's stream, from any event on, in any process."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from tidegate.background.event_log import EventLog, LoggedEvents
from tidegate.background.notifications import JobNotifications
from tidegate.core.errors import PostgresUnavailable, TidegateError
from tidegate.core.values import AnswerHead

_POLL_SECONDS = 0.5
"""Between looks while there is no news."""
_MAX_OUTAGE_SECONDS = 60.0
"""How long PostgreSQL may be away under a stream before its reader is told to come again."""


class EventReader:
    """The stream of one response, after an event. Implements `tidegate.pipeline.delivery.Journey`.

    Whoever leaves it ends nothing: the response goes on.
    """

    cost_nanos = 0
    """The job's own call bears the cost."""

    def __init__(
        self,
        log: EventLog,
        notifications: JobNotifications,
        *,
        project: str,
        response_id: str,
        after: int,
        deleted_error: Callable[[], TidegateError],
    ) -> None:
        """`after` is the number of the last event that the reader has, -1 for none; `gone` says that it was deleted."""
        self._log = log
        self._notifications = notifications
        self._project = project
        self._id = response_id
        self._last_number = after
        self._deleted_error = deleted_error
        self._buffer: deque[bytes] = deque()
        self._dropped_count = 0
        self._is_ended = False

    def subscribe(self) -> None:
        """Nobody counts."""

    def unsubscribe(self) -> None:
        """Nobody counts."""

    async def head(self) -> AnswerHead:
        """It is a stream, whatever comes."""
        return AnswerHead(stream=True, served_by="")

    async def event(self, index: int) -> bytes | None:
        """The stream's event number `index`, counted from where the reader began; None at its end.

        Asked in order; may be cancelled and asked again. Raises TidegateError.
        """
        while self._dropped_count < index and self._buffer:
            self._buffer.popleft()
            self._dropped_count += 1
        while not self._buffer:
            if self._is_ended:
                return None
            await self._wait_for_events()
        return self._buffer[0]

    async def _wait_for_events(self) -> None:
        """Wait for what follows."""
        with self._notifications.listen(self._id) as bell:
            while True:
                said = await self._read_log()
                if said.events or said.is_end:
                    self._buffer.extend(said.events)
                    self._last_number = max(self._last_number, said.first_number + len(said.events) - 1)
                    self._is_ended = said.is_end
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), _POLL_SECONDS)
                bell.clear()

    async def _read_log(self) -> LoggedEvents:
        loop = asyncio.get_running_loop()
        patience = loop.time() + _MAX_OUTAGE_SECONDS
        while True:
            try:
                said = await self._log.read_after(self._project, self._id, self._last_number)
            except PostgresUnavailable:
                if loop.time() >= patience:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
            else:
                if said is None:
                    raise self._deleted_error()
                return said

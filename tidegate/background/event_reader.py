"""Streams a background response from any event on, in any process. Used by the pipeline's BackgroundSubmitter."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from tidegate.background.event_log import EventLog, LoggedEvents
from tidegate.background.notifications import JobNotifications
from tidegate.core.errors import PostgresUnavailable, TidegateError
from tidegate.core.values import AnswerHead

_POLL_SECONDS = 0.5
"""Between two reads while no notification arrives."""
_MAX_OUTAGE_SECONDS = 60.0
"""How long PostgreSQL may be unavailable before the stream ends with an error."""


class EventReader:
    """The stream of one response after a given event. Implements `tidegate.pipeline.delivery.Journey`.

    A reader that stops does not stop the response.
    """

    cost_nanos = 0
    """The cost is booked by the job's own request."""

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
        """Read events after number `after` (-1: all); `deleted_error` makes the error for a deleted job."""
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
        """Do nothing: readers are not counted."""

    def unsubscribe(self, error: TidegateError | None = None) -> None:  # the protocol's signature
        """Do nothing: readers are not counted."""

    async def head(self) -> AnswerHead:
        """Return the head of a stream."""
        return AnswerHead(stream=True, served_by="")

    async def event(self, index: int) -> bytes | None:
        """Return event `index`, counted from the reader's start; None at the end of the stream.

        Call in ascending order; a cancelled call may be repeated. Raises TidegateError.
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
        """Wait until there are more events, or the end."""
        with self._notifications.listen(self._id) as bell:
            while True:
                page = await self._read_log()
                if page.events or page.is_end:
                    self._buffer.extend(page.events)
                    self._last_number = max(self._last_number, page.first_number + len(page.events) - 1)
                    self._is_ended = page.is_end
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), _POLL_SECONDS)
                bell.clear()

    async def _read_log(self) -> LoggedEvents:
        loop = asyncio.get_running_loop()
        patience = loop.time() + _MAX_OUTAGE_SECONDS
        while True:
            try:
                page = await self._log.read_after(self._project, self._id, self._last_number)
            except PostgresUnavailable:
                if loop.time() >= patience:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
            else:
                if page is None:
                    raise self._deleted_error()
                return page

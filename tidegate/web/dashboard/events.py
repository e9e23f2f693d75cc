"""`/dashboard/events`: the overview as a stream of events, for as long as the page and its session last.

Registered by routes.py. `event: overview` has the whole overview; `event: gone` says that the session has ended.
"""

from collections.abc import AsyncIterator

from fastapi import Request
from starlette.responses import StreamingResponse

from tidegate.auth.sessions import AdminSessions
from tidegate.core.clock import Clock
from tidegate.core.errors import InvalidParameter, PostgresUnavailable, SessionEnded, TooManyPages
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.dashboard.feed import OverviewFeed, OverviewFeeds
from tidegate.dashboard.overview import OverviewRange
from tidegate.web.dashboard.session import SessionHandlers

LOOK_SECONDS = 0.5
"""How often a stream looks whether its session has ended."""
QUIET_SECONDS = 15.0
"""After which a comment shows the page that the stream lives."""
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_RETRY_SECONDS = 5.0
_COMMENT, _GONE = b": quiet\n\n", b"event: gone\ndata: {}\n\n"


class EventHandlers:
    """Streams overviews to pages."""

    def __init__(  # a parameter for each part
        self,
        handlers: SessionHandlers,
        sessions: AdminSessions,
        feeds: OverviewFeeds,
        *,
        max_pages: int,
        clock: Clock,
        lifecycle: Lifecycle,
    ) -> None:
        """At most `max_pages` are open at a time."""
        self._handlers = handlers
        self._sessions = sessions
        self._feeds = feeds
        self._max_pages = max_pages
        self._clock = clock
        self._lifecycle = lifecycle
        self.open_pages = 0

    async def stream(self, request: Request) -> StreamingResponse:
        """Open a page's stream. Raises SessionEnded, ForgedRequest, InvalidParameter and TooManyPages."""
        token, _ = await self._handlers.current(request)
        shown = _range_of(request.query_params.get("range", OverviewRange.HOUR.value))
        if self.open_pages >= self._max_pages:
            raise TooManyPages(retry_after=_RETRY_SECONDS)
        return StreamingResponse(self._events(token, shown), headers=_HEADERS, media_type="text/event-stream")

    async def _events(self, token: str, shown: OverviewRange) -> AsyncIterator[bytes]:
        self.open_pages += 1
        try:
            async with self._feeds.open(shown) as feed:
                async for event in self._events_of(token, feed):
                    yield event
        finally:
            self.open_pages -= 1

    async def _events_of(self, token: str, feed: OverviewFeed) -> AsyncIterator[bytes]:
        version, sent_at = 0, self._clock.monotonic()
        while not self._lifecycle.is_draining:
            is_newer = await feed.newer_than(version, LOOK_SECONDS)
            if await self._is_over(token):
                yield _GONE
                return
            now = self._clock.monotonic()
            if is_newer:
                version, sent_at = feed.version, now
                yield b"event: overview\ndata: " + feed.latest + b"\n\n"
            elif now - sent_at >= QUIET_SECONDS:
                sent_at = now
                yield _COMMENT

    async def _is_over(self, token: str) -> bool:
        try:
            await self._sessions.find(token)
        except SessionEnded:
            return True
        except PostgresUnavailable:
            return False  # it cannot be looked up now; its key is still known as valid, or is looked at again soon
        return False


def _range_of(text: str) -> OverviewRange:
    try:
        return OverviewRange(text)
    except ValueError as error:
        raise InvalidParameter("`range` is one of 1h, 24h, 7d and 30d.", param="range") from error

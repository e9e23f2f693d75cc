"""Computes overviews while pages are open: once for all pages of a process that show the same range."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from tidegate.core.periodic import PeriodicTask
from tidegate.dashboard.overview import Overview, OverviewRange, without_time

EVERY_SECONDS = 2.0

Compute = Callable[[OverviewRange], Awaitable[Overview]]


class OverviewFeed:
    """The overviews of one range, for all pages that show it. Runs while it has readers."""

    def __init__(self, shown: OverviewRange, compute: Compute, every: float) -> None:
        self._shown = shown
        self._compute = compute
        self._task = PeriodicTask(f"dashboard-{shown.value}", self._round, every=every)
        self._changed = asyncio.Event()
        self._compared = b""
        self.readers = 0
        self.version = 0
        """Grows with each change."""
        self.latest = b""
        """The newest overview as JSON; empty before the first one."""

    async def start(self) -> None:
        """Begin to compute."""
        await self._task.start()

    async def close(self) -> None:
        """Stop."""
        await self._task.close()

    async def newer_than(self, version: int, seconds: float) -> bool:
        """Wait until there is a newer overview, for `seconds` at most; return whether there is one."""
        if self.version <= version:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        return self.version > version

    async def _round(self) -> None:
        overview = await self._compute(self._shown)
        compared = msgspec.json.encode(without_time(overview))
        if compared != self._compared:
            self._compared, self.latest = compared, msgspec.json.encode(overview)
            self.version += 1
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()


class OverviewFeeds:
    """The feeds of all ranges."""

    def __init__(self, compute: Compute, *, every: float = EVERY_SECONDS) -> None:
        """`compute` makes an overview; `every` is the pause between two of them, in seconds."""
        self._compute = compute
        self._every = every
        self._running: dict[OverviewRange, OverviewFeed] = {}

    @property
    def running(self) -> int:
        """How many ranges are computed; 0 while no page is open."""
        return len(self._running)

    @contextlib.asynccontextmanager
    async def open(self, shown: OverviewRange) -> AsyncIterator[OverviewFeed]:
        """Lend the feed of a range, which starts with its first reader and stops with its last one."""
        feed = self._running.get(shown)
        if feed is None:
            feed = self._running[shown] = OverviewFeed(shown, self._compute, self._every)
            await feed.start()
        feed.readers += 1
        try:
            yield feed
        finally:
            feed.readers -= 1
            if not feed.readers:
                self._running.pop(shown, None)
                await feed.close()

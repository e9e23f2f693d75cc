"""One computation serves all pages of a range, tells only changes, and stops with the last page."""

import asyncio

import msgspec

from tests.dashboard.overviews import OVERVIEW
from tidegate.dashboard.feed import OverviewFeeds
from tidegate.dashboard.overview import Overview, OverviewRange


class Computation:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.rounds = 0
        self.replicas = 1
        self.asked = asyncio.Event()

    async def __call__(self, shown: OverviewRange) -> Overview:
        self.rounds += 1
        self.asked.set()
        return msgspec.structs.replace(OVERVIEW, at=float(self.rounds), range=shown.value, replicas=self.replicas)

    async def next_round(self) -> None:
        self.asked.clear()
        await self.asked.wait()


async def test_pages_share_a_computation_that_ends_with_the_last_of_them() -> None:
    computation = Computation()
    feeds = OverviewFeeds(computation, every=0.001)
    async with feeds.open(OverviewRange.HOUR) as first, feeds.open(OverviewRange.HOUR) as second:
        assert first is second
        assert await first.newer_than(0, 5.0)
        async with feeds.open(OverviewRange.DAY):
            assert feeds.running == 2
        assert feeds.running == 1
    assert feeds.running == 0
    rounds = computation.rounds
    await asyncio.sleep(0.01)
    assert computation.rounds == rounds, "no page is open, and it computes"


async def test_only_a_change_is_told_and_the_time_is_none() -> None:
    computation = Computation()
    feeds = OverviewFeeds(computation, every=0.001)
    async with feeds.open(OverviewRange.HOUR) as feed:
        assert await feed.newer_than(0, 5.0)
        await computation.next_round()
        await computation.next_round()
        assert (feed.version, await feed.newer_than(1, 0.001)) == (1, False)
        computation.replicas = 2
        assert await feed.newer_than(1, 5.0)
        assert msgspec.json.decode(feed.latest)["replicas"] == 2

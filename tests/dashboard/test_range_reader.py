"""Each range has its source: the ring, or the ledger's sums where the ring is away or too short."""

import pytest

from tidegate.core.clock import ManualClock
from tidegate.core.errors import PostgresUnavailable, RedisUnavailable
from tidegate.dashboard.minute import MinuteFigures
from tidegate.dashboard.overview import OverviewRange
from tidegate.dashboard.range_reader import RangeReader
from tidegate.dashboard.recent_minutes import RecentMinutes
from tidegate.metering.reports.usage_slots import ErrorFigures, PeriodFigures, UsageSlots, UsageStep

NOW = ManualClock().now()
CAUSE = ErrorFigures(error="insufficient_quota", target="openai/m", calls=2, last_at=NOW, message="You exceeded")


class FakeRing(RecentMinutes):
    """A ring with two calls in the present minute."""

    def __init__(self, *, is_away: bool) -> None:
        self._is_away = is_away

    async def read(self, minutes: range) -> list[MinuteFigures]:
        if self._is_away:
            raise RedisUnavailable
        empty = [MinuteFigures(step=UsageStep(at=minute * 60)) for minute in minutes[:-1]]
        step = UsageStep(at=minutes[-1] * 60, calls=2, failed=2)
        return [*empty, MinuteFigures(step=step, gateway={1: 2}, errors={"insufficient_quota": 2})]


class FakeSlots(UsageSlots):
    """Sums with three calls in the last step."""

    def __init__(self, *, is_away: bool) -> None:
        self._is_away = is_away
        self.reads = 0

    async def read(self, begin: float, end: float, step_seconds: int) -> PeriodFigures:
        if self._is_away:
            raise PostgresUnavailable
        assert begin < end
        self.reads += 1
        at = int(end // step_seconds) * step_seconds
        return PeriodFigures(steps=(UsageStep(at=at, calls=3),), whole={}, first_content={}, errors=(CAUSE,))


@pytest.mark.parametrize(
    ("shown", "ring_away", "sums_away", "source", "calls", "points", "words"),
    [
        (OverviewRange.HOUR, False, False, "redis", 2, 60, "You exceeded"),
        (OverviewRange.DAY, False, False, "redis", 2, 96, "You exceeded"),
        (OverviewRange.HOUR, False, True, "redis", 2, 60, None),
        (OverviewRange.HOUR, True, False, "postgresql", 3, 12, "You exceeded"),
        (OverviewRange.DAY, True, False, "postgresql", 3, 96, "You exceeded"),
        (OverviewRange.WEEK, False, False, "postgresql", 3, 84, "You exceeded"),
        (OverviewRange.MONTH, True, False, "postgresql", 3, 120, "You exceeded"),
    ],
)
async def test_a_range_is_read_from(
    shown: OverviewRange, ring_away: bool, sums_away: bool, source: str, calls: int, points: int, words: str | None
) -> None:
    reader = RangeReader(FakeRing(is_away=ring_away), FakeSlots(is_away=sums_away))
    figures = await reader.read(shown, NOW)
    assert figures is not None
    assert (figures.source, sum(step.calls for step in figures.steps), len(figures.steps)) == (source, calls, points)
    assert figures.errors is not None
    assert [(each.error, each.message) for each in figures.errors] == [("insufficient_quota", words)]
    assert (figures.gateway is None) is (source == "postgresql")


@pytest.mark.parametrize("shown", OverviewRange)
async def test_without_any_store_there_are_no_figures(shown: OverviewRange) -> None:
    assert await RangeReader(FakeRing(is_away=True), FakeSlots(is_away=True)).read(shown, NOW) is None


async def test_where_no_ring_is_written_the_sums_give_all_ranges_and_long_ones_are_remembered() -> None:
    slots = FakeSlots(is_away=False)
    reader = RangeReader(None, slots)
    for seconds in (0, 30, 59, 61):
        figures = await reader.read(OverviewRange.WEEK, NOW + seconds)
        assert figures is not None
    assert slots.reads == 2

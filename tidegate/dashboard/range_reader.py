"""Reads the calls of a range: those of the last day from the ring in Redis, longer ones from the ledger's sums.

While Redis is away, or where the metrics lack what the ring needs, the sums give all ranges. While PostgreSQL is away,
the ring gives what it has: no words of errors.
"""

import asyncio
from collections.abc import Mapping

from tidegate.dashboard.figures import RangeFigures, filled, step_begins
from tidegate.dashboard.minute import MinuteFigures, sum_of_minutes
from tidegate.dashboard.overview import OverviewRange
from tidegate.dashboard.patience import answer_in_time
from tidegate.dashboard.recent_minutes import MINUTE_SECONDS, RecentMinutes
from tidegate.metering.reports.usage_slots import SLOT_SECONDS, ErrorFigures, PeriodFigures, UsageSlots

REFRESH_SECONDS = {
    OverviewRange.HOUR: 0.0,
    OverviewRange.DAY: 10.0,
    OverviewRange.WEEK: 60.0,
    OverviewRange.MONTH: 60.0,
}
"""How long the calls of a range are shown before they are read again: a step of a long one hardly moves."""
_OF_RING = (OverviewRange.HOUR, OverviewRange.DAY)
_MAX_ERRORS = 20


class RangeReader:
    """Reads the calls of ranges."""

    def __init__(self, ring: RecentMinutes | None, slots: UsageSlots) -> None:
        """`ring` is None where none is written."""
        self._ring = ring
        self._slots = slots
        self._known: dict[OverviewRange, tuple[RangeFigures, float]] = {}

    async def read(self, shown: OverviewRange, now: float) -> RangeFigures | None:
        """Return the calls of a range; None where no store has them."""
        known = self._known.get(shown)
        if known is not None and 0 <= now - known[1] < REFRESH_SECONDS[shown]:
            return known[0]
        figures = await self._read(shown, now)
        if figures is not None:
            self._known[shown] = figures, now
        return figures

    async def _read(self, shown: OverviewRange, now: float) -> RangeFigures | None:
        ring, sums = await asyncio.gather(self._read_ring(shown, now), self._read_sums(shown, now))
        if ring is not None:
            return _of_ring(ring, sums, shown, now)
        return None if sums is None else _of_sums(sums, shown, now)

    async def _read_ring(self, shown: OverviewRange, now: float) -> list[MinuteFigures] | None:
        if self._ring is None or shown not in _OF_RING:
            return None
        begins = step_begins(now, shown.seconds, shown.step_seconds)
        minutes = range(begins[0] // MINUTE_SECONDS, int(now // MINUTE_SECONDS) + 1)
        return await answer_in_time(self._ring.read(minutes))

    async def _read_sums(self, shown: OverviewRange, now: float) -> PeriodFigures | None:
        step = max(shown.step_seconds, SLOT_SECONDS)
        return await answer_in_time(self._slots.read(step_begins(now, shown.seconds, step)[0], now, step))


def _of_sums(sums: PeriodFigures, shown: OverviewRange, now: float) -> RangeFigures:
    begins = step_begins(now, shown.seconds, max(shown.step_seconds, SLOT_SECONDS))
    return RangeFigures(
        source="postgresql",
        steps=filled(sums.steps, begins),
        whole=sums.whole,
        first_content=sums.first_content,
        errors=sums.errors,
    )


def _of_ring(
    minutes: list[MinuteFigures], sums: PeriodFigures | None, shown: OverviewRange, now: float
) -> RangeFigures:
    """Return the ring's calls by steps, with the words of errors from the ledger's sums."""
    begins = step_begins(now, shown.seconds, shown.step_seconds)
    by_step: dict[int, list[MinuteFigures]] = {}
    for minute in minutes:
        by_step.setdefault(minute.step.at // shown.step_seconds * shown.step_seconds, []).append(minute)
    total = sum_of_minutes(minutes)
    return RangeFigures(
        source="redis",
        steps=filled((sum_of_minutes(each, at).step for at, each in by_step.items()), begins),
        whole=total.whole,
        first_content=total.first_content,
        gateway=total.gateway,
        errors=_wordless(total.errors) if sums is None else sums.errors,
    )


def _wordless(errors: Mapping[str, int]) -> tuple[ErrorFigures, ...]:
    """Return the most frequent errors as the ring knows them: by name only."""
    most = sorted(errors.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_ERRORS]
    return tuple(ErrorFigures(error=name, target="", calls=count, last_at=0.0, message=None) for name, count in most)

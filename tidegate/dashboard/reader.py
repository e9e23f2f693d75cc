"""Gathers the facts of an overview from the stores. Without one, its facts are missing, and nothing else is."""

import asyncio
from collections.abc import Callable

import msgspec

from tidegate.alerts.store import AlertStore
from tidegate.core.clock import Clock
from tidegate.dashboard.composition import compose
from tidegate.dashboard.overview import Overview, OverviewRange
from tidegate.dashboard.patience import answer_in_time
from tidegate.dashboard.range_reader import RangeReader
from tidegate.dashboard.redis_reader import RedisReader
from tidegate.dashboard.sources import OverviewFacts, OverviewSettings, PostgresSnapshot, RedisSnapshot
from tidegate.limits.budget_calendar import BudgetCalendar
from tidegate.limits.budget_report import BudgetReport
from tidegate.metering.reports.usage_slots import UsageSlots
from tidegate.queue.replicas import Replicas
from tidegate.routing.health.report import UpstreamHealth

ALERTS_SECONDS = 1.0
SIZE_SECONDS = 60.0
"""How often the size of the database is read: PostgreSQL looks at each of its files."""
MAX_BUDGETS_READ = 200


class SpoolFigures(msgspec.Struct, frozen=True):
    """Ledger entries on this process's disk."""

    entries: int | None
    """None where there are too many to count them."""
    bytes: int


class OverviewSources(msgspec.Struct, frozen=True, kw_only=True):
    """From where an overview is read."""

    redis: RedisReader
    slots: UsageSlots
    ranges: RangeReader
    budgets: BudgetReport
    alerts: AlertStore
    local_health: Callable[[], UpstreamHealth]
    spool: Callable[[], SpoolFigures]
    replicas: Replicas


class OverviewReader:
    """Reads overviews."""

    def __init__(
        self, sources: OverviewSources, terms: OverviewSettings, calendar: BudgetCalendar, clock: Clock
    ) -> None:
        self._sources = sources
        self._terms = terms
        self._calendar = calendar
        self._clock = clock
        self._away_since: dict[str, float] = {}
        self._size: tuple[int, float] | None = None

    async def read(self, shown: OverviewRange) -> Overview:
        """Return the overview of a range. No store that is away makes it raise."""
        now, sources = self._clock.now(), self._sources
        await answer_in_time(sources.slots.refresh())
        redis, postgres, figures, budgets, alerts = await asyncio.gather(
            answer_in_time(sources.redis.read(now)),
            answer_in_time(self._postgres_facts(now)),
            sources.ranges.read(shown, now),
            answer_in_time(sources.budgets.read(now, limit=MAX_BUDGETS_READ)),
            sources.alerts.read_or_copies(ALERTS_SECONDS),
        )
        spool = sources.spool()
        facts = OverviewFacts(
            at=now,
            shown=shown,
            period=self._calendar.period(now),
            redis=redis,
            redis_away_since=self._away("redis", redis, now),
            postgres=postgres,
            postgres_away_since=self._away("postgresql", postgres, now),
            figures=figures,
            budgets=budgets.budgets if budgets else (),
            local_health=sources.local_health(),
            alerts=alerts,
            spool_entries=spool.entries,
            spool_bytes=spool.bytes,
            replicas=sources.replicas.count,
        )
        return compose(facts, self._terms)

    async def _postgres_facts(self, now: float) -> PostgresSnapshot:
        period, slots = self._calendar.period(now), self._sources.slots
        spent = await slots.spent(day_start=period.day_start, month_start=period.month_start, now=now)
        if self._size is None or not 0 <= now - self._size[1] < SIZE_SECONDS:
            self._size = (await slots.database_bytes(), now)
        return PostgresSnapshot(spent=spent, database_bytes=self._size[0])

    def _away(self, store: str, facts: RedisSnapshot | PostgresSnapshot | None, now: float) -> float:
        """Return since when a store is away, as far as this process has seen; 0 while it answers."""
        if facts is not None:
            self._away_since.pop(store, None)
            return 0.0
        return self._away_since.setdefault(store, now)

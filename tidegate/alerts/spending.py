"""Read the spending of the present day: from the ledger, or from the counters in Redis while PostgreSQL is away."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tidegate.alerts.judgement import MIN_PROJECTION_SECONDS, DaySpending
from tidegate.core.errors import PostgresUnavailable, RedisUnavailable
from tidegate.storage.postgres import Postgres, queries

READ_EVERY_SECONDS = 60.0
"""A day's ledger may be long, so each process reads it once a minute at most."""


class AlertDay(msgspec.Struct, frozen=True):
    """A day in the time zone of budgets; begin and end in Unix seconds."""

    name: str
    begin: float
    end: float


DayOf = Callable[[float], AlertDay]
ReadCounter = Callable[[float], Awaitable[int]]
"""Returns the nano-dollars spent in the present day, as Redis counts them. Raises RedisUnavailable."""


class SpendingReader:
    """Reads what the deployment spent today."""

    def __init__(self, postgres: Postgres, day_of: DayOf, read_counter: ReadCounter) -> None:
        self._postgres = postgres
        self._sql = queries("alerts")
        self._day_of = day_of
        self._read_counter = read_counter
        self._last: DaySpending | None = None
        self._read_at = 0.0

    async def read(self, now: float) -> DaySpending | None:
        """Return the spending of the day, as it was a minute ago at most; None where no store can be read."""
        day = self._day_of(now)
        last = self._last
        if last is not None and last.day == day.name and 0 <= now - self._read_at < READ_EVERY_SECONDS:
            return last
        self._last, self._read_at = await self._read(day, now), now
        return self._last

    async def spenders(self, now: float) -> tuple[str, ...]:
        """Return who spent most in the day; empty where PostgreSQL cannot be read."""
        day = self._day_of(now)
        try:
            async with self._postgres.connection() as connection:
                rows: list[Any] = await connection.fetch(self._sql["spenders"], day.begin, day.end)
        except PostgresUnavailable:
            return ()
        return tuple(f"${row['spent'] / 1e9:,.2f} by project {row['project']} with {row['model']}" for row in rows)

    async def _read(self, day: AlertDay, now: float) -> DaySpending | None:
        recent = max(day.begin, now - MIN_PROJECTION_SECONDS)
        try:
            async with self._postgres.connection() as connection:
                row: Any = await connection.fetchrow(self._sql["spent"], day.begin, day.end, recent)
        except PostgresUnavailable:
            return await self._counted(day, now)
        return DaySpending(
            day=day.name,
            begin=day.begin,
            end=day.end,
            spent_nanos=row["spent"],
            first_at=row["first_at"],
            recent_nanos=row["recent"],
        )

    async def _counted(self, day: AlertDay, now: float) -> DaySpending | None:
        try:
            spent = await self._read_counter(now)
        except RedisUnavailable:
            return None
        return DaySpending(day=day.name, begin=day.begin, end=day.end, spent_nanos=spent)

"""The ledger's sums for each five minutes: kept up to date in PostgreSQL, and read for the dashboard.

Triggers note which slots a change of the ledger concerns. One process at a time sums those anew. So the sums are right
whenever entries come, also late ones and those that replace others.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.periodic import PeriodicTask
from tidegate.storage.postgres import Connection, Postgres, queries

SLOT_SECONDS = 300
LONGEST_MS = 2**31 - 1
"""The bound of the last bucket of times."""
_KEEP_SECONDS = 32 * 86_400
_SLOTS_PER_ROUND = 300
"""A round reads 25 hours of the ledger at most: what was noted at the migration takes thirty rounds."""
_ERRORS_PER_SLOT = 50
_MAX_ERRORS = 20
_PAUSE_SECONDS = 30.0
_BUSY_PAUSE_SECONDS = 0.1


class OutcomeNames(msgspec.Struct, frozen=True, kw_only=True):
    """How the ledger's outcomes are counted; others are failures."""

    answered: tuple[str, ...]
    """Besides `ok`."""
    refused: tuple[str, ...]


class UsageStep(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one step of time."""

    at: int
    """Unix seconds of its begin."""
    calls: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    client_gone: int = 0
    hits: int = 0
    joined: int = 0
    stale: int = 0
    misses: int = 0
    cost_nanos: int = 0
    saved_nanos: int = 0


class ErrorFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that ended with the same error at the same target."""

    error: str
    target: str
    """`PROVIDER/MODEL`; empty where no call was sent."""
    calls: int
    last_at: float
    message: str | None
    """The last one's own words."""


class PeriodFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of a period."""

    steps: tuple[UsageStep, ...]
    whole: Mapping[int, int]
    """How many answered calls took at most so many milliseconds, and longer than the bound before."""
    first_content: Mapping[int, int]
    errors: tuple[ErrorFigures, ...]


class SpentFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent, as the ledger has it, in nano-dollars."""

    day_nanos: int
    day_saved_nanos: int
    month_nanos: int
    recent_nanos: int
    """In the last 24 hours."""
    first_at: float | None
    """Unix seconds of the first slot with calls, within a month."""
    newest_at: float | None
    """Unix seconds of the newest entry."""


class UsageSlots:
    """Sums and reads slots. Every method raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, names: OutcomeNames, bounds_ms: Collection[int], clock: Clock) -> None:
        """`postgres` is shared with other stores; `bounds_ms` are the upper bounds of the buckets of times."""
        self._postgres = postgres
        self._clock = clock
        self._names = names
        self._bounds = [*sorted(bounds_ms), LONGEST_MS]
        self._sql = queries("usage_slots")
        self._is_behind = False
        self._task = PeriodicTask("usage-slots", self._round, every=self._pause)

    def __repr__(self) -> str:
        return f"<UsageSlots: {'behind' if self._is_behind else 'up to date'}>"

    async def start(self) -> None:
        """Begin to sum what changes, twice a minute."""
        await self._task.start()

    async def close(self) -> None:
        """Stop."""
        await self._task.close()

    async def refresh(self) -> bool:
        """Sum the slots that have changed; return whether more are left. Another process may be doing it."""
        async with self._postgres.connection() as connection, connection.transaction():
            if not await connection.fetchval(self._sql["claim"]):
                return False
            rows = await connection.fetch(self._sql["take_changes"], _SLOTS_PER_ROUND)
            if rows:
                await self._sum(connection, [row["slot"] for row in rows])
            return len(rows) == _SLOTS_PER_ROUND

    async def read(self, begin: float, end: float, step_seconds: int) -> PeriodFigures:
        """Return the calls from `begin` up to `end` (Unix seconds), in steps of so many seconds."""
        first, last = int(begin // SLOT_SECONDS), int(end // SLOT_SECONDS)
        async with self._postgres.connection() as connection:
            steps = await connection.fetch(self._sql["steps"], first, last, max(1, step_seconds // SLOT_SECONDS))
            times = await connection.fetch(self._sql["times"], first, last)
            errors = await connection.fetch(self._sql["errors"], first, last, _MAX_ERRORS)
        return PeriodFigures(
            steps=tuple(UsageStep(**dict(row)) for row in steps),
            whole={row["bound_ms"]: row["whole"] for row in times},
            first_content={row["bound_ms"]: row["first_content"] for row in times},
            errors=tuple(ErrorFigures(**dict(row)) for row in errors),
        )

    async def spent(self, *, day_start: float, month_start: float, now: float) -> SpentFigures:
        """Return what was spent since a day's and a month's begin (Unix seconds, whole slots)."""
        begins = [int(begin // SLOT_SECONDS) for begin in (day_start, month_start, now - 86_400)]
        async with self._postgres.connection() as connection:
            row: Any = await connection.fetchrow(self._sql["spent"], *begins)
        first = row["first_slot"]
        return SpentFigures(
            day_nanos=row["day_nanos"],
            day_saved_nanos=row["day_saved_nanos"],
            month_nanos=row["month_nanos"],
            recent_nanos=row["recent_nanos"],
            first_at=None if first is None else float(first * SLOT_SECONDS),
            newest_at=row["newest_at"],
        )

    async def database_bytes(self) -> int:
        """Return the size of the whole database."""
        async with self._postgres.connection() as connection:
            return int(await connection.fetchval(self._sql["size"]))

    async def _round(self) -> None:
        self._is_behind = await self.refresh()

    def _pause(self, failures: int) -> float:
        return _BUSY_PAUSE_SECONDS if self._is_behind and not failures else _PAUSE_SECONDS

    async def _sum(self, connection: Connection, slots: Sequence[int]) -> None:
        oldest = int((self._clock.now() - _KEEP_SECONDS) // SLOT_SECONDS)
        names = self._names
        await connection.execute(self._sql["forget_details"], slots, oldest)
        await connection.execute(self._sql["sum"], slots, names.answered, names.refused)
        await connection.execute(self._sql["sum_times"], slots, self._bounds)
        await connection.execute(self._sql["sum_errors"], slots, _ERRORS_PER_SLOT, names.answered)

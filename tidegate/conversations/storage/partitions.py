"""Creates the weekly partitions of each table ahead of time, and drops those whose rows have expired.

Used by the retention task, and by the stores when a partition is missing.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import structlog

from tidegate.core.errors import PostgresUnavailable
from tidegate.storage.postgres import Connection, Postgres, queries

TABLES = ("items", "responses", "completions", "parts")
_WEEKS_AHEAD = 2
_BATCH_SIZE = 1000
_log = structlog.get_logger("retention")


class Partitions:
    """Creates and drops partitions. Any number of processes may do so at once."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` must be connected as the owner of the tables."""
        self._postgres = postgres
        self._sql = queries("partitions")

    async def ensure(self, today: date) -> None:
        """Create the partitions that rows of `today` and of the next two weeks need. Raises PostgresUnavailable."""
        async with self._exclusive_transaction() as connection:
            retention_days = [row["retention_days"] for row in await connection.fetch(self._sql["retentions"])]
        days = (
            today + timedelta(days=days, weeks=ahead) for days in retention_days for ahead in range(_WEEKS_AHEAD + 1)
        )
        for week in sorted({week_of(day) for day in days}):
            for table in TABLES:
                async with self._exclusive_transaction() as connection:
                    await self._make(connection, table, week)

    async def _make(self, connection: Connection, table: str, week: date) -> None:
        name = f"{table}_{week:%Y%m%d}"
        if await connection.fetchval(self._sql["table_exists"], name):
            return
        until = week + timedelta(weeks=1)
        # attaching a table takes no lock that blocks reads or writes of the parent
        await connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL EXCLUDING STATISTICS)")
        bounds = f"FROM ('{week}') TO ('{until}')"
        await connection.execute(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {bounds}")

    async def drop_expired(self, today: date) -> list[str]:
        """Drop the partitions whose last day is over; return their names.

        Raises PostgresUnavailable, also where a table is in use.
        """
        async with self._exclusive_transaction() as connection:
            names = [row["name"] for row in await connection.fetch(self._sql["partitions"], list(TABLES))]
        expired_names = [name for name in names if _end_of(name) <= today]
        for name in expired_names:
            async with self._exclusive_transaction() as connection:
                await connection.execute(f"DROP TABLE IF EXISTS {name}")
            _log.info("partition dropped", name=name)
        return expired_names

    async def delete_empty_conversations(self, today: date) -> int:
        """Delete conversations that have lost all their items; return their number. Raises PostgresUnavailable."""
        count = 0
        while True:
            async with self._exclusive_transaction() as connection:
                deleted_count = int(await connection.fetchval(self._sql["drop_empty"], week_of(today), _BATCH_SIZE))
            count += deleted_count
            if deleted_count < _BATCH_SIZE:
                return count

    @contextlib.asynccontextmanager
    async def _exclusive_transaction(self) -> AsyncIterator[Connection]:
        """Run a short transaction, one at a time over all processes, that does not wait long for a table."""
        try:
            async with self._postgres.connection() as connection, connection.transaction():
                await connection.execute(self._sql["lock"])
                yield connection
        except Exception as error:  # PostgreSQL's errors all carry `sqlstate`, and only `storage` knows their types
            if not isinstance(getattr(error, "sqlstate", None), str):
                raise
            raise PostgresUnavailable(f"The partitions cannot be kept: {error}").as_refusal() from error


def week_of(day: date) -> date:
    """Return the Monday of the day's week, which names its partition."""
    return day - timedelta(days=day.weekday())


def _end_of(name: str) -> date:
    """Return the day after the partition's last day."""
    week = datetime.strptime(name.rpartition("_")[2], "%Y%m%d").replace(tzinfo=UTC).date()
    return week + timedelta(weeks=1)

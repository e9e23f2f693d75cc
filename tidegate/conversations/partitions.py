"""The partitions in which rows expire: one a week in each table, made before it is needed, dropped when it is over."""

from datetime import UTC, date, datetime, timedelta

import structlog

from tidegate.connections.postgres import Connection, Postgres, queries

TABLES = ("items", "responses", "completions", "parts")
_WEEKS_AHEAD = 2
_log = structlog.get_logger("retention")


class Partitions:
    """Makes and drops partitions; any number of processes may do so at once."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` must be known there as the tables' owner."""
        self._postgres = postgres
        self._sql = queries("partitions")

    async def ensure(self, today: date) -> None:
        """Make those that any project's rows of `today` and the next two weeks need. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(self._sql["lock"])
            kept = [row["retention_days"] for row in await connection.fetch(self._sql["retentions"])]
            weeks = {
                week_of(today + timedelta(days=days, weeks=ahead)) for days in kept for ahead in range(_WEEKS_AHEAD + 1)
            }
            for week in sorted(weeks):
                for table in TABLES:
                    await self._make(connection, table, week)

    async def _make(self, connection: Connection, table: str, week: date) -> None:
        name = f"{table}_{week:%Y%m%d}"
        if await connection.fetchval(self._sql["there"], name):
            return
        until = week + timedelta(weeks=1)
        # attached rather than made in place: the parent is then locked against nobody's reading or writing
        await connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL EXCLUDING STATISTICS)")
        await connection.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{week}') TO ('{until}')"
        )

    async def drop_expired(self, today: date) -> list[str]:
        """Drop those whose last day is over; their names."""
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(self._sql["lock"])
            names = [row["name"] for row in await connection.fetch(self._sql["partitions"], list(TABLES))]
            gone = [name for name in names if _ends(name) <= today]
            for name in gone:
                await connection.execute(f"DROP TABLE {name}")
        if gone:
            _log.info("partitions dropped", names=gone)
        return gone


def week_of(day: date) -> date:
    """The Monday of the day's week, by which its partition is named."""
    return day - timedelta(days=day.weekday())


def _ends(name: str) -> date:
    """The day after the partition's last."""
    week = datetime.strptime(name.rpartition("_")[2], "%Y%m%d").replace(tzinfo=UTC).date()
    return week + timedelta(weeks=1)

"""Sums up the ledger into usage reports. Called by `tidegate usage` and the admin API."""

from enum import Enum

import msgspec

from tidegate.storage.postgres import Postgres, queries


class GroupBy(Enum):
    """What the rows of a report are grouped by. Days are UTC."""

    DAY = "day"
    KEY = "key"
    MODEL = "model"
    USER = "user"
    PROJECT = "project"
    ROUTE = "route"
    PROVIDER = "provider"


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one day, key, model, …; `group` is empty for calls without an end user."""

    group: str
    name: str | None = None
    """A key's name."""
    calls: int = 0
    hits: int = 0
    joined: int = 0
    errors: int = 0
    estimated: int = 0
    """Calls whose tokens Tidegate estimated."""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanos: int = 0
    saved_nanos: int = 0


_SUMS = tuple(field.name for field in msgspec.structs.fields(UsageRow) if field.type is int)


class UsageReports:
    """Reads the ledger."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` is shared with other stores."""
        self._postgres = postgres
        self._sql = queries("ledger")

    async def usage(
        self, group_by: GroupBy, *, since: float, until: float, project: str | None = None
    ) -> list[UsageRow]:
        """Return the usage from `since` until before `until` (Unix seconds): days in order, other groups by cost.

        Raises PostgresUnavailable.
        """
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["usage"], group_by.value, since, until, project)
        # sums are of PostgreSQL's type numeric, which has no largest value; they are whole numbers
        return [
            UsageRow(group=row["group_value"], name=row["name"], **{field: int(row[field]) for field in _SUMS})
            for row in rows
        ]

    async def rejected(self) -> int:
        """Return the number of entries that the ledger could not hold. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            return int(await connection.fetchval(self._sql["rejected"]))


def total(rows: list[UsageRow]) -> UsageRow:
    """Return the sum of all rows."""
    return UsageRow(group="total", **{field: sum(getattr(row, field) for row in rows) for field in _SUMS})


def usd(nanos: int) -> str:
    """Return nano-dollars in dollars, exactly: with two to nine decimals."""
    sign = "-" if nanos < 0 else ""
    dollars, remainder = divmod(abs(nanos), 1_000_000_000)
    return f"{sign}{dollars}.{f'{remainder:09d}'.rstrip('0'):0<2}"

"""Reads what the ledger has of one UTC day of a provider, for the comparison with its costs report."""

from tidegate.metering.cost_comparison import LedgerDay
from tidegate.storage.postgres import Postgres, queries


async def read_ledger_day(postgres: Postgres, provider: str, start: int, end: int) -> LedgerDay:
    """Return the sums of the calls from `start` until before `end`, in Unix seconds. Raises PostgresUnavailable."""
    async with postgres.connection() as connection:
        (row,) = await connection.fetch(queries("doctor")["ledger_day"], provider, start, end)
    return LedgerDay(**dict(row))

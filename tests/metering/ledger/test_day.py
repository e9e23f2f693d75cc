"""A UTC day of the ledger is summed up for one provider, with the parts that may differ from its report."""

from tidegate.metering.cost_comparison import LedgerDay
from tidegate.metering.ledger.day import read_ledger_day
from tidegate.storage.postgres import Postgres

INSERT = """
INSERT INTO ledger
    (id, at, project, key_id, route, model, provider, outcome, cache, stream,
     cost_nanos, fee_nanos, estimated, unpriced)
VALUES ($1, to_timestamp($2::float8), 'p', 'k', 'chat', 'm', $3, $4, 'miss', false, $5, $6, $7, $8)
"""
ROWS = [
    ("a", 1000, "openai", "ok", 100, 10, False, False),
    ("b", 1001, "openai", "ok", 50, 0, True, False),
    ("c", 1002, "openai", "lost", 30, 0, True, False),
    ("d", 1003, "openai", "ok", 0, 0, False, True),
    ("other provider", 1004, "azure", "ok", 7, 0, False, False),
    ("day before", 999, "openai", "ok", 7, 0, False, False),
    ("day after", 2000, "openai", "ok", 7, 0, False, False),
]


async def test_a_day_is_summed_up(postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        for row in ROWS:
            await connection.execute(INSERT, *row)
    assert await read_ledger_day(postgres, "openai", 1000, 2000) == LedgerDay(
        calls=4, cost_nanos=180, fee_nanos=10, estimated=1, estimated_nanos=50, lost=1, lost_nanos=30, unpriced=1
    )


async def test_an_empty_day_is_zero(postgres: Postgres) -> None:
    assert await read_ledger_day(postgres, "openai", 1000, 2000) == LedgerDay()

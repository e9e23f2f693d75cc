"""The spending of a day is the ledger's, between the day's begin and end, and is read once a minute at most."""

from tidegate.alerts.spending import AlertDay, SpendingReader
from tidegate.core.errors import RedisUnavailable
from tidegate.storage.postgres import Postgres

DAY = AlertDay("2026-09-21", 1_790_000_000.0, 1_790_086_400.0)
NOON = DAY.begin + 12 * 3600


async def refuse(_: float) -> int:
    raise RedisUnavailable


def reader(postgres: Postgres) -> SpendingReader:
    return SpendingReader(postgres, lambda _: DAY, refuse)


async def spend(postgres: Postgres, number: int, at: float, nanos: int, model: str = "gpt-4o") -> None:
    async with postgres.connection() as connection:
        await connection.execute(
            "INSERT INTO ledger (id, at, project, key_id, route, model, outcome, cache, stream, cost_nanos)"
            " VALUES ($1, to_timestamp($2), 'shop', 'key_1', '/v1/responses', $4, 'ok', 'miss', false, $3)",
            f"req_{number}", at, nanos, model,
        )  # fmt: skip


async def test_only_the_day_counts(postgres: Postgres) -> None:
    for number, (at, nanos) in enumerate(
        [(DAY.begin - 1, 1), (DAY.begin, 10), (NOON - 4 * 3600, 100), (NOON - 3600, 1_000), (DAY.end, 10_000)]
    ):
        await spend(postgres, number, at, nanos)
    spent = await reader(postgres).read(NOON)
    assert spent is not None
    assert (spent.spent_nanos, spent.recent_nanos, spent.first_at) == (1_110, 1_000, DAY.begin)


async def test_it_is_read_once_a_minute(postgres: Postgres) -> None:
    each = reader(postgres)
    await each.read(NOON)
    await spend(postgres, 1, NOON, 500)
    spendings = [await each.read(NOON + seconds) for seconds in (59, 60)]
    assert [spent.spent_nanos for spent in spendings if spent] == [0, 500]


async def test_the_greatest_spenders_are_named(postgres: Postgres) -> None:
    for number, model in enumerate(["a", "b", "b", "c", "d", "d", "d"]):
        await spend(postgres, number, NOON, 10**9, model)
    assert (await reader(postgres).spenders(NOON))[:2] == (
        "$3.00 by project shop with d",
        "$2.00 by project shop with b",
    )


async def test_without_stores_it_is_not_known() -> None:
    away = Postgres("postgresql://127.0.0.1:9/none", size=1, timeout=0.2)
    assert await reader(away).read(NOON) is None
    assert await reader(away).spenders(NOON) == ()

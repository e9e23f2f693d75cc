"""The counters of any number of scopes are read in the order given; a scope without counters has spent nothing."""

from datetime import UTC, datetime

import pytest

from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.limits.budget_store import Amounts, BudgetStore, Spending
from tidegate.storage.redis import RedisLink

NOW = datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC).timestamp()
NOTHING = Amounts(spent=0, reserved=0)


@pytest.fixture
def store(redis_link: RedisLink, redis_prefix: str) -> BudgetStore:
    return BudgetStore(redis_link, prefix=redis_prefix)


async def test_amounts_are_of_the_day_and_the_month(
    store: BudgetStore, redis_link: RedisLink, redis_prefix: str
) -> None:
    for name, amount in {
        "spent:all:2026-11-23": 1,
        "held:all:2026-11-23": 2,
        "spent:all:2026-11": 3,
        "held:all:2026-11": 2**52,
        "spent:user/shop/ad/a:2026-11-23": 5,
        "spent:all:2026-11-22": 99,
    }.items():
        await redis_link.command("SET", f"{{{redis_prefix}}}:{name}", amount)
    everybody, nobody, user = await store.read(["all", "key/k", "user/shop/ad/a"], NOW)
    assert everybody == Spending(scope="all", day=Amounts(spent=1, reserved=2), month=Amounts(spent=3, reserved=2**52))
    assert nobody == Spending(scope="key/k", day=NOTHING, month=NOTHING)
    assert user.day == Amounts(spent=5, reserved=0)


async def test_many_scopes_keep_their_order(store: BudgetStore, redis_link: RedisLink, redis_prefix: str) -> None:
    scopes = [f"key/{number}" for number in range(450)]
    await redis_link.command("SET", f"{{{redis_prefix}}}:spent:key/449:2026-11", 7)
    found = await store.read(scopes, NOW)
    assert [spending.scope for spending in found] == scopes
    assert [spending.scope for spending in found if spending.month.spent] == ["key/449"]
    assert await store.read([], NOW) == ()


async def test_whether_the_counters_are_true_is_known(
    store: BudgetStore, redis_link: RedisLink, redis_prefix: str
) -> None:
    assert await store.counters_valid() is False
    await redis_link.command("SET", f"{{{redis_prefix}}}:counted", "2:c1")
    assert await store.counters_valid() is True


async def test_without_redis_it_raises_redis_unavailable() -> None:
    nowhere = BudgetStore(RedisLink("redis://127.0.0.1:1", timeout=0.1, clock=SystemClock()), prefix="unused")
    with pytest.raises(RedisUnavailable):
        await nowhere.read(["all"], NOW)

"""By the door calls go in and out whatever state the stores are in; nobody spends a budget that cannot be seen."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.eventually import PATIENCE_SECONDS, until
from tests.limits.script_parts import NOON, Calls
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.errors import (
    BudgetExceeded,
    BudgetHeld,
    CallerLimited,
    CallTooLarge,
    NotCached,
    PostgresUnavailable,
    QueueTimeout,
    RedisUnavailable,
    TidegateError,
)
from tidegate.core.values import Caller, Limits
from tidegate.limits.admission import Door
from tidegate.limits.decision import Go, Hit, Join
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import Recount
from tidegate.limits.reservations import Holds
from tidegate.limits.scopes import Scope, readmitted
from tidegate.limits.scripts import Admission
from tidegate.queue.replicas import Replicas
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

BUDGET = (Scope(n="key/a", bd=1000),)
FREE = (Scope(n="key/a"),)
DAY = "2026-11-27"


class House:
    """A door on stores of which either may be missing."""

    def __init__(self, link: RedisLink, postgres: Postgres, prefix: str) -> None:
        self.calls = Calls(link, prefix)
        self.holds = Holds(self.calls.gate, ManualClock(NOON))
        self.recount = Recount(link, postgres, prefix=prefix, clock=ManualClock(NOON), grace_seconds=0.0)
        everybody = Limits(budget_month=77)
        self.door = Door(self.calls.gate, self.holds, self.recount, LocalLimits(Replicas()), everybody=everybody)

    async def held(self) -> int:
        return await self.calls.counter("held", "key/a", DAY)


@pytest.fixture
async def house(redis_link: RedisLink, postgres: Postgres, redis_prefix: str) -> AsyncIterator[House]:
    house = House(redis_link, postgres, redis_prefix)
    yield house
    await house.recount.close()


@pytest.fixture
def without_redis(postgres: Postgres, redis_prefix: str) -> House:
    return House(RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock()), postgres, redis_prefix)


def test_a_call_counts_for_everybody_too(house: House) -> None:
    scopes = house.door.scopes(Caller(key_id="a", project="shop", name="x"), None)
    terms = house.door.terms("r", scopes, now=NOON, tokens=3, nanos=5)
    assert (terms.n, terms.scopes) == (("key/a", "project/shop", "all"), (Scope(n="all", bm=77),))
    assert (terms.d, terms.m, terms.k, terms.c, terms.lease) == (DAY, "2026-11", 3, 5, 30.0)


async def test_the_ledger_is_counted_before_a_budget_is_spent(house: House) -> None:
    decision = await house.door.admit(house.calls.ask("r", BUDGET, c=900))
    assert isinstance(decision, Go)
    assert decision.counted
    assert repr(house.holds) == "<Holds: 1 calls under way, 0 to settle>"
    await house.door.settle(house.calls.settlement(house.calls.ask("r", BUDGET, c=900), decision.memory, c=300))
    assert repr(house.holds) == "<Holds: 0 calls under way, 0 to settle>"
    assert (await house.held(), await house.calls.counter("spent", "key/a", DAY)) == (0, 300)


async def test_who_has_no_budget_does_not_wait_for_the_count(house: House) -> None:
    decision = await house.door.admit(house.calls.ask("r", FREE, c=900))
    assert isinstance(decision, Go)
    assert not decision.counted
    again = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not decision.counted:
            again += 1
            decision = await house.door.admit(house.calls.ask(f"s{again}", FREE, c=900))
            assert isinstance(decision, Go)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(n="key/a", rpm=1), CallerLimited),
        (Scope(n="key/a", cc=1), CallerLimited),
        (Scope(n="key/a", tpm=9), CallTooLarge),
        (Scope(n="key/a", bd=199), BudgetHeld),
        (Scope(n="key/a", bd=99), BudgetExceeded),
    ],
)
async def test_a_refusal_is_a_typed_error(house: House, scope: Scope, expected: type[TidegateError]) -> None:
    asks = [house.calls.ask(f"r{number}", [scope], c=100) for number in range(2)]
    with pytest.raises(expected):
        await asyncio.gather(*(house.door.admit(ask) for ask in asks))


async def test_a_full_lane_is_told_as_such(house: House) -> None:
    full = {"rpm": 1, "deadline": NOON + 1.0, "lane": "lane"}
    await house.door.admit(in_lane(house, "first", **full))
    with pytest.raises(QueueTimeout):
        await asyncio.gather(*(house.door.admit(in_lane(house, f"r{number}", **full)) for number in range(3)))


def in_lane(house: House, name: str, **lane: object) -> Admission:
    ask = house.calls.ask(name, FREE, c=1)
    return msgspec.structs.replace(ask, lane=msgspec.structs.replace(ask.lane, **lane))


async def test_only_a_stored_answer_will_do(house: House, without_redis: House) -> None:
    for one in (house, without_redis):
        with pytest.raises(NotCached):
            await one.door.admit(one.calls.ask("r", BUDGET, c=900, only_stored=True, claim=False))
    assert await house.held() == 0


async def test_a_hit_needs_no_count(redis_link: RedisLink, redis_prefix: str) -> None:
    away = Postgres("postgresql://nobody@127.0.0.1:1/none", size=1, timeout=1.0)
    house = House(redis_link, away, redis_prefix)
    ask = house.calls.ask("r", FREE, c=5, fingerprint="q")
    gone = await house.door.admit(ask)
    assert isinstance(gone, Go)
    await house.door.settle(house.calls.settlement(ask, gone.memory, keep_seconds=60))
    hit = await house.door.admit(house.calls.ask("s", BUDGET, c=900, fingerprint="q"))
    assert isinstance(hit, Hit)
    with pytest.raises(PostgresUnavailable):
        await house.door.admit(house.calls.ask("t", BUDGET, c=900))
    assert isinstance(await house.door.admit(house.calls.ask("u", BUDGET, c=0)), Go)
    await house.recount.close()
    await away.close()


async def test_without_redis_nobody_spends_a_budget_but_others_go_on(without_redis: House) -> None:
    door, calls = without_redis.door, without_redis.calls
    with pytest.raises(RedisUnavailable):
        await door.admit(calls.ask("r", BUDGET, c=900))
    assert repr(without_redis.holds) == "<Holds: 0 calls under way, 1 to settle>"
    gone = await door.admit(calls.ask("s", [Scope(n="key/a", rpm=2)], c=900))
    assert isinstance(gone, Go)
    assert (gone.memory, gone.claimed) == ("", True)
    joined = await door.admit(calls.ask("t", [Scope(n="key/a", rpm=2)], c=900), local=lambda: "p1:")
    assert isinstance(joined, Join)
    with pytest.raises(CallerLimited):
        await door.admit(calls.ask("u", [Scope(n="key/a", rpm=2)], c=900))


async def test_without_redis_a_settlement_waits(without_redis: House) -> None:
    ask = without_redis.calls.ask("r", FREE)
    with pytest.raises(RedisUnavailable):
        await without_redis.door.settle(without_redis.calls.settlement(ask, ""))
    assert repr(without_redis.holds).endswith("1 to settle>")


async def test_who_leaves_while_being_admitted_holds_nothing(house: House) -> None:
    await house.recount.ensure()
    await house.holds.start()
    admitting = asyncio.create_task(house.door.admit(house.calls.ask("r", BUDGET, c=900)))
    await asyncio.sleep(0)  # the question is on its way
    admitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await admitting
    await until(lambda: "0 to settle" in repr(house.holds))
    assert await house.held() == 0
    await house.holds.close()


async def test_who_waited_for_another_and_then_finds_the_answer_holds_nothing(house: House) -> None:
    scopes = (Scope(n="key/a", cc=2),)
    leader = house.calls.ask("leader", scopes, fingerprint="q", c=5)
    gone = await house.door.admit(leader)
    joiner = house.calls.ask("joiner", scopes, fingerprint="q", c=5)
    assert (type(gone), type(await house.door.admit(joiner))) == (Go, Join)
    assert repr(house.holds) == "<Holds: 2 calls under way, 0 to settle>"
    assert isinstance(gone, Go)
    await house.door.settle(house.calls.settlement(leader, gone.memory, keep_seconds=60))
    again = msgspec.structs.replace(joiner, terms=readmitted(joiner.terms))
    assert isinstance(await house.door.admit(again), Hit)
    assert repr(house.holds) == "<Holds: 0 calls under way, 0 to settle>"
    for name in ("x", "y"):
        assert isinstance(await house.door.admit(house.calls.ask(name, scopes, c=5)), Go)

"""What calls hold stays held while their process lives, comes back when Redis forgot it, and is settled in the end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.eventually import until, until_so
from tests.limits.script_parts import Calls
from tidegate.core.clock import SystemClock
from tidegate.limits.decision import Go, Rebuild
from tidegate.limits.reservations import LOOK_SECONDS, Holds
from tidegate.limits.scopes import Scope
from tidegate.limits.scripts import Admission
from tidegate.storage.redis import RedisLink

KEY = (Scope(n="key/a", bd=1000, cc=5),)


@pytest.fixture
async def calls(redis_link: RedisLink, redis_prefix: str) -> Calls:
    return await Calls(redis_link, redis_prefix).counted()


@pytest.fixture
async def keeper(calls: Calls) -> AsyncIterator[Holds]:
    """A process whose leases are short."""
    keeper = Holds(calls.gate, SystemClock(), lease_seconds=0.6)
    await keeper.start()
    yield keeper
    await keeper.close()


async def under_way(calls: Calls, keeper: Holds) -> tuple[Admission, Go]:
    """A call that was admitted, known to its keeper."""
    ask = calls.ask("r", KEY, now=SystemClock().now(), c=900, lease=keeper.lease_seconds)
    decision = await calls.gate.admit(ask)
    assert isinstance(decision, Go)
    keeper.add(ask, spends=True)
    return ask, decision


async def held(calls: Calls) -> int:
    ask = calls.ask("probe", (), now=SystemClock().now())
    await calls.gate.admit(ask)  # which gives up what is lost
    await calls.gate.release("probe", now=ask.now)
    return await calls.counter("held", "key/a", ask.terms.d)


async def spent(calls: Calls) -> int:
    return await calls.counter("spent", "key/a", calls.ask("probe", (), now=SystemClock().now()).terms.d)


async def test_a_call_stays_held_for_as_long_as_its_process_lives(calls: Calls, keeper: Holds) -> None:
    await under_way(calls, keeper)
    await asyncio.sleep(2.5 * keeper.lease_seconds)
    assert await held(calls) == 900
    await keeper.close()
    await asyncio.sleep(1.2 * keeper.lease_seconds)
    assert (await held(calls), await spent(calls)) == (0, 900)


@pytest.mark.usefixtures("keeper")
async def test_what_a_dead_process_held_is_charged_where_nobody_calls(calls: Calls) -> None:
    ask = calls.ask("r", KEY, now=SystemClock().now(), c=900, lease=0.1)
    assert isinstance(await calls.gate.admit(ask), Go)  # by a process that dies now: no keeper has it

    async def charged() -> bool:
        return await spent(calls) == 900

    await until_so(charged)
    assert await calls.counter("held", "key/a", ask.terms.d) == 0


async def test_what_redis_forgot_is_held_anew(calls: Calls, keeper: Holds) -> None:
    ask, before = await under_way(calls, keeper)
    await asyncio.sleep(2 * LOOK_SECONDS)  # it has seen this memory
    await calls.forget_everything()
    await until_held(calls, 900)
    await calls.counted()
    keeper.discard(ask.terms.id)
    await calls.settle(ask, before.memory, c=300, now=SystemClock().now())
    assert (await held(calls), await spent(calls)) == (0, 300)


async def until_held(calls: Calls, nanos: int) -> None:
    async def holding() -> bool:
        return await held(calls) == nanos

    await until_so(holding)


async def test_what_could_not_be_settled_is_settled_later(calls: Calls, keeper: Holds) -> None:
    ask, gone = await under_way(calls, keeper)
    keeper.discard(ask.terms.id)
    keeper.settle_later(calls.settlement(ask, gone.memory, c=300, keep_seconds=60, body=b"{}"))
    assert repr(keeper) == "<Holds: 0 calls under way, 1 to settle>"
    await until(lambda: "0 to settle" in repr(keeper))
    assert await held(calls) == 0
    assert [line["cost_nanos"] for line in await calls.lines()] == [300]
    decision = await calls.admit("next", ask.terms.scopes, c=1)
    assert isinstance(decision, Rebuild), "its line may have been counted before, or not: the ledger tells"


async def test_what_never_went_is_given_back_later(calls: Calls, keeper: Holds) -> None:
    ask, _ = await under_way(calls, keeper)
    keeper.discard(ask.terms.id)
    keeper.release_later(ask.terms.id)
    await until(lambda: "0 to settle" in repr(keeper))
    assert (await held(calls), await spent(calls)) == (0, 0)


async def test_while_redis_is_away_nothing_is_dropped(calls: Calls, redis_prefix: str) -> None:
    nowhere = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    keeper = Holds(Calls(nowhere, redis_prefix).gate, SystemClock(), lease_seconds=0.6)
    await keeper.start()
    keeper.release_later("r")
    keeper.settle_later(calls.settlement(calls.ask("s", KEY), "m"))
    await asyncio.sleep(1.3)
    assert repr(keeper) == "<Holds: 0 calls under way, 2 to settle>"
    await keeper.close()

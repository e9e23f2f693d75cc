"""A call that is sent again holds the money of one more attempt, in each budget, until it is charged."""

import pytest

from tests.limits.script_parts import NOON, Calls
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.values import Limits
from tidegate.limits.admission import Door
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import Recount
from tidegate.limits.reservations import Holds
from tidegate.limits.retry_reservation import Resending
from tidegate.limits.scopes import Scope
from tidegate.queue.replicas import Replicas
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

BUDGETED = Scope(n="key/a", bd=250, rpm=1, cc=1, tpm=10)
DAY = "2026-11-27"


def line(name: str) -> bytes:
    return b'{"id":"%s"}' % name.encode()


def resending(calls: Calls, postgres: Postgres, scope: Scope, *, link: RedisLink | None = None) -> Resending:
    gate = calls.gate if link is None else Calls(link, calls.prefix).gate
    clock = ManualClock(NOON)
    recount = Recount(link or calls.link, postgres, prefix=calls.prefix, clock=clock, grace_seconds=0.0)
    door = Door(gate, Holds(gate, clock), recount, LocalLimits(Replicas()), everybody=Limits())
    return Resending(door, calls.ask("r", [scope], c=100).terms, line, clock)


@pytest.fixture
async def calls(redis_link: RedisLink, redis_prefix: str) -> Calls:
    return await Calls(redis_link, redis_prefix).counted()


async def test_each_further_attempt_holds_as_much_again_until_there_is_no_more(
    calls: Calls, postgres: Postgres
) -> None:
    """It is no other request, nor another call in flight, and takes no tokens: only money."""
    await calls.admit("r", [BUDGETED], c=100)
    call = resending(calls, postgres, BUDGETED)
    assert [await call.afford(), await call.afford()] == [True, False]
    assert await calls.counter("held", "key/a", DAY) == 200
    await call.over()
    await call.over()
    assert await calls.counter("held", "key/a", DAY) == 100


async def test_what_a_dead_process_held_for_it_is_charged_as_well(calls: Calls, postgres: Postgres) -> None:
    await calls.admit("r", [BUDGETED], c=100)
    await resending(calls, postgres, BUDGETED).afford()
    await calls.gate.reap(now=NOON + 31)
    assert await calls.counter("spent", "key/a", DAY) == 200
    lost = {entry["id"]: entry["cost_nanos"] for entry in await calls.lines() if entry["outcome"] == "lost"}
    assert lost == {"r": 100, "r-sent-2": 100}


@pytest.mark.parametrize(("scope", "affordable"), [(Scope(n="key/a", rpm=1), True), (BUDGETED, False)])
async def test_without_redis_nobody_spends_from_a_budget(
    calls: Calls, postgres: Postgres, scope: Scope, affordable: bool
) -> None:
    away = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    assert await resending(calls, postgres, scope, link=away).afford() is affordable

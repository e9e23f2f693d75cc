"""A call that is sent again holds the money of one more attempt, in each budget, until it is charged."""

import pytest

from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.values import Limits
from tidegate.limits.admission import AdmissionController
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import BudgetRebuild
from tidegate.limits.reservations import Reservations
from tidegate.limits.retry_reservation import RetryReservation
from tidegate.limits.scopes import LimitScope
from tidegate.queue.replicas import Replicas
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

BUDGETED = LimitScope(name="key/a", budget_day=250, rpm=1, concurrency=1, tpm=10)
DAY = "2026-11-27"


def line(name: str) -> bytes:
    return b'{"id":"%s"}' % name.encode()


def resending(
    calls: ScriptCalls, postgres: Postgres, scope: LimitScope, *, link: RedisLink | None = None
) -> RetryReservation:
    gate = calls.scripts if link is None else ScriptCalls(link, calls.prefix).scripts
    clock = ManualClock(NOON)
    recount = BudgetRebuild(link or calls.link, postgres, prefix=calls.prefix, clock=clock, grace_seconds=0.0)
    door = AdmissionController(
        gate, Reservations(gate, clock), recount, LocalLimits(Replicas()), global_limits=Limits()
    )
    return RetryReservation(door, calls.request("r", [scope], cost_nanos=100).reservation, line, clock)


@pytest.fixture
async def calls(redis_link: RedisLink, redis_prefix: str) -> ScriptCalls:
    return await ScriptCalls(redis_link, redis_prefix).with_valid_counters()


async def test_each_further_attempt_holds_as_much_again_until_there_is_no_more(
    calls: ScriptCalls, postgres: Postgres
) -> None:
    """It is no other request, nor another call in flight, and takes no tokens: only money."""
    await calls.admit("r", [BUDGETED], cost_nanos=100)
    call = resending(calls, postgres, BUDGETED)
    assert [await call.reserve(), await call.reserve()] == [True, False]
    assert await calls.counter("held", "key/a", DAY) == 200
    await call.release()
    await call.release()
    assert await calls.counter("held", "key/a", DAY) == 100


async def test_what_a_dead_process_held_for_it_is_charged_as_well(calls: ScriptCalls, postgres: Postgres) -> None:
    await calls.admit("r", [BUDGETED], cost_nanos=100)
    await resending(calls, postgres, BUDGETED).reserve()
    await calls.scripts.reap(now=NOON + 31)
    assert await calls.counter("spent", "key/a", DAY) == 200
    lost = {entry["id"]: entry["cost_nanos"] for entry in await calls.ledger_entries() if entry["outcome"] == "lost"}
    assert lost == {"r": 100, "r-sent-2": 100}


@pytest.mark.parametrize(("scope", "affordable"), [(LimitScope(name="key/a", rpm=1), True), (BUDGETED, False)])
async def test_without_redis_nobody_spends_from_a_budget(
    calls: ScriptCalls, postgres: Postgres, scope: LimitScope, affordable: bool
) -> None:
    away = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    assert await resending(calls, postgres, scope, link=away).reserve() is affordable

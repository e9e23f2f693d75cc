"""A retry reserves the cost of one more attempt in each budget, until the request is charged."""

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


def ledger_entry(name: str) -> bytes:
    return b'{"id":"%s"}' % name.encode()


def retry_reservation(
    calls: ScriptCalls, postgres: Postgres, scope: LimitScope, *, link: RedisLink | None = None
) -> RetryReservation:
    scripts = calls.scripts if link is None else ScriptCalls(link, calls.prefix).scripts
    clock = ManualClock(NOON)
    rebuild = BudgetRebuild(link or calls.link, postgres, prefix=calls.prefix, clock=clock, grace_seconds=0.0)
    admission = AdmissionController(
        scripts, Reservations(scripts, clock), rebuild, LocalLimits(Replicas()), global_limits=Limits()
    )
    return RetryReservation(admission, calls.request("r", [scope], cost_nanos=100).reservation, ledger_entry, clock)


@pytest.fixture
async def calls(redis_link: RedisLink, redis_prefix: str) -> ScriptCalls:
    return await ScriptCalls(redis_link, redis_prefix).with_valid_counters()


async def test_each_retry_reserves_as_much_again_while_the_budget_allows(
    calls: ScriptCalls, postgres: Postgres
) -> None:
    """A retry counts as no other request, takes no slot in flight and no tokens: only its cost is reserved."""
    await calls.admit("r", [BUDGETED], cost_nanos=100)
    call = retry_reservation(calls, postgres, BUDGETED)
    assert [await call.reserve(), await call.reserve()] == [True, False]
    assert await calls.counter("held", "key/a", DAY) == 200
    await call.release()
    await call.release()
    assert await calls.counter("held", "key/a", DAY) == 100


async def test_retries_of_a_dead_process_are_charged_as_well(calls: ScriptCalls, postgres: Postgres) -> None:
    await calls.admit("r", [BUDGETED], cost_nanos=100)
    await retry_reservation(calls, postgres, BUDGETED).reserve()
    await calls.scripts.reap(now=NOON + 31)
    assert await calls.counter("spent", "key/a", DAY) == 200
    lost = {entry["id"]: entry["cost_nanos"] for entry in await calls.ledger_entries() if entry["outcome"] == "lost"}
    assert lost == {"r": 100, "r-sent-2": 100}


@pytest.mark.parametrize(("scope", "affordable"), [(LimitScope(name="key/a", rpm=1), True), (BUDGETED, False)])
async def test_without_redis_no_retry_spends_a_budget(
    calls: ScriptCalls, postgres: Postgres, scope: LimitScope, affordable: bool
) -> None:
    away = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    assert await retry_reservation(calls, postgres, scope, link=away).reserve() is affordable

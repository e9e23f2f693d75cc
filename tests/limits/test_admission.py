"""Requests are admitted and settled whatever state the stores are in; no budget is spent that cannot be checked."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.errors import (
    BudgetExceeded,
    BudgetReserved,
    CallerRateLimited,
    NotCached,
    PostgresUnavailable,
    QueueTimeout,
    RedisUnavailable,
    RequestExceedsLimit,
    TidegateError,
)
from tidegate.core.values import Caller, Limits
from tidegate.limits.admission import AdmissionController
from tidegate.limits.decision import CacheHit, JoinFlight, SendUpstream
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import BudgetRebuild
from tidegate.limits.reservations import Reservations
from tidegate.limits.scopes import LimitScope, without_request_count
from tidegate.limits.scripts import AdmissionRequest
from tidegate.queue.replicas import Replicas
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

BUDGET = (LimitScope(name="key/a", budget_day=1000),)
FREE = (LimitScope(name="key/a"),)
DAY = "2026-11-27"


class AdmissionSetup:
    """An admission controller on stores of which either may be away."""

    def __init__(self, link: RedisLink, postgres: Postgres, prefix: str) -> None:
        self.calls = ScriptCalls(link, prefix)
        self.reservations = Reservations(self.calls.scripts, ManualClock(NOON))
        self.rebuild = BudgetRebuild(link, postgres, prefix=prefix, clock=ManualClock(NOON), grace_seconds=0.0)
        everybody = Limits(budget_month=77)
        self.admission = AdmissionController(
            self.calls.scripts, self.reservations, self.rebuild, LocalLimits(Replicas()), global_limits=everybody
        )

    async def reserved(self) -> int:
        return await self.calls.counter("held", "key/a", DAY)


@pytest.fixture
async def setup(redis_link: RedisLink, postgres: Postgres, redis_prefix: str) -> AsyncIterator[AdmissionSetup]:
    setup = AdmissionSetup(redis_link, postgres, redis_prefix)
    yield setup
    await setup.rebuild.close()


@pytest.fixture
def without_redis(postgres: Postgres, redis_prefix: str) -> AdmissionSetup:
    return AdmissionSetup(RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock()), postgres, redis_prefix)


def test_a_request_counts_for_the_whole_deployment_too(setup: AdmissionSetup) -> None:
    scopes = setup.admission.scopes.of(Caller(key_id="a", project="shop", name="x"), None)
    terms = setup.admission.reservation("r", scopes, now=NOON, tokens=3, cost_nanos=5)
    assert (terms.scope_names, terms.scopes) == (
        ("key/a", "project/shop", "all"),
        (LimitScope(name="all", budget_month=77),),
    )
    assert (terms.day, terms.month, terms.tokens, terms.cost_nanos, terms.lease_seconds) == (DAY, "2026-11", 3, 5, 30.0)


async def test_the_counters_are_rebuilt_before_a_budget_is_spent(setup: AdmissionSetup) -> None:
    decision = await setup.admission.admit(setup.calls.request("r", BUDGET, cost_nanos=900))
    assert isinstance(decision, SendUpstream)
    assert decision.counters_valid
    assert repr(setup.reservations) == "<Reservations: 1 in progress, 0 to settle>"
    await setup.admission.settle(
        setup.calls.settlement(setup.calls.request("r", BUDGET, cost_nanos=900), decision.dataset_id, cost_nanos=300)
    )
    assert repr(setup.reservations) == "<Reservations: 0 in progress, 0 to settle>"
    assert (await setup.reserved(), await setup.calls.counter("spent", "key/a", DAY)) == (0, 300)


async def test_a_caller_without_a_budget_does_not_wait_for_the_rebuild(setup: AdmissionSetup) -> None:
    decision = await setup.admission.admit(setup.calls.request("r", FREE, cost_nanos=900))
    assert isinstance(decision, SendUpstream)
    assert not decision.counters_valid
    second_request = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not decision.counters_valid:
            second_request += 1
            decision = await setup.admission.admit(setup.calls.request(f"s{second_request}", FREE, cost_nanos=900))
            assert isinstance(decision, SendUpstream)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (LimitScope(name="key/a", rpm=1), CallerRateLimited),
        (LimitScope(name="key/a", concurrency=1), CallerRateLimited),
        (LimitScope(name="key/a", tpm=9), RequestExceedsLimit),
        (LimitScope(name="key/a", budget_day=199), BudgetReserved),
        (LimitScope(name="key/a", budget_day=99), BudgetExceeded),
    ],
)
async def test_a_refusal_is_a_typed_error(
    setup: AdmissionSetup, scope: LimitScope, expected: type[TidegateError]
) -> None:
    requests = [setup.calls.request(f"r{number}", [scope], cost_nanos=100) for number in range(2)]
    with pytest.raises(expected):
        await asyncio.gather(*(setup.admission.admit(request) for request in requests))


async def test_a_full_lane_rejects_with_a_queue_error(setup: AdmissionSetup) -> None:
    full = {"rpm": 1, "deadline": NOON + 1.0, "lane": "lane"}
    await setup.admission.admit(in_lane(setup, "first", **full))
    with pytest.raises(QueueTimeout):
        await asyncio.gather(*(setup.admission.admit(in_lane(setup, f"r{number}", **full)) for number in range(3)))


def in_lane(setup: AdmissionSetup, name: str, **lane: object) -> AdmissionRequest:
    request = setup.calls.request(name, FREE, cost_nanos=1)
    return msgspec.structs.replace(request, slot=msgspec.structs.replace(request.slot, **lane))


async def test_only_a_stored_answer_will_do(setup: AdmissionSetup, without_redis: AdmissionSetup) -> None:
    for one in (setup, without_redis):
        with pytest.raises(NotCached):
            await one.admission.admit(one.calls.request("r", BUDGET, cost_nanos=900, only_stored=True, claim=False))
    assert await setup.reserved() == 0


async def test_a_hit_needs_no_count(redis_link: RedisLink, redis_prefix: str) -> None:
    away = Postgres("postgresql://nobody@127.0.0.1:1/none", size=1, timeout=1.0)
    setup = AdmissionSetup(redis_link, away, redis_prefix)
    request = setup.calls.request("r", FREE, cost_nanos=5, fingerprint="q")
    admitted = await setup.admission.admit(request)
    assert isinstance(admitted, SendUpstream)
    await setup.admission.settle(setup.calls.settlement(request, admitted.dataset_id, fresh_seconds=60))
    hit = await setup.admission.admit(setup.calls.request("s", BUDGET, cost_nanos=900, fingerprint="q"))
    assert isinstance(hit, CacheHit)
    with pytest.raises(PostgresUnavailable):
        await setup.admission.admit(setup.calls.request("t", BUDGET, cost_nanos=900))
    assert isinstance(await setup.admission.admit(setup.calls.request("u", BUDGET, cost_nanos=0)), SendUpstream)
    await setup.rebuild.close()
    await away.close()


class OneFlight:
    """Implements `LocalFlights`: every answer is on its way in this process."""

    def local_owner(self, _: str) -> str | None:
        """Return this process's name."""
        return "p1:"


async def test_without_redis_no_budget_is_spent_and_other_requests_go_on(without_redis: AdmissionSetup) -> None:
    admission, calls = without_redis.admission, without_redis.calls
    with pytest.raises(RedisUnavailable):
        await admission.admit(calls.request("r", BUDGET, cost_nanos=900))
    assert repr(without_redis.reservations) == "<Reservations: 0 in progress, 1 to settle>"
    admitted = await admission.admit(calls.request("s", [LimitScope(name="key/a", rpm=2)], cost_nanos=900))
    assert isinstance(admitted, SendUpstream)
    assert (admitted.dataset_id, admitted.claimed) == ("", True)
    joined = await admission.admit(
        calls.request("t", [LimitScope(name="key/a", rpm=2)], cost_nanos=900), flights=OneFlight()
    )
    assert isinstance(joined, JoinFlight)
    with pytest.raises(CallerRateLimited):
        await admission.admit(calls.request("u", [LimitScope(name="key/a", rpm=2)], cost_nanos=900))


async def test_without_redis_a_settlement_waits(without_redis: AdmissionSetup) -> None:
    request = without_redis.calls.request("r", FREE)
    with pytest.raises(RedisUnavailable):
        await without_redis.admission.settle(without_redis.calls.settlement(request, ""))
    assert repr(without_redis.reservations).endswith("1 to settle>")


async def test_a_request_cancelled_during_admission_reserves_nothing(setup: AdmissionSetup) -> None:
    await setup.rebuild.ensure()
    await setup.reservations.start()
    admitting = asyncio.create_task(setup.admission.admit(setup.calls.request("r", BUDGET, cost_nanos=900)))
    await asyncio.sleep(0)  # the question is on its way
    admitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await admitting
    await wait_until(lambda: "0 to settle" in repr(setup.reservations))
    assert await setup.reserved() == 0
    await setup.reservations.close()


async def test_a_joined_request_that_then_hits_the_cache_reserves_nothing(setup: AdmissionSetup) -> None:
    scopes = (LimitScope(name="key/a", concurrency=2),)
    leader = setup.calls.request("leader", scopes, fingerprint="q", cost_nanos=5)
    admitted = await setup.admission.admit(leader)
    joiner = setup.calls.request("joiner", scopes, fingerprint="q", cost_nanos=5)
    assert (type(admitted), type(await setup.admission.admit(joiner))) == (SendUpstream, JoinFlight)
    assert repr(setup.reservations) == "<Reservations: 2 in progress, 0 to settle>"
    assert isinstance(admitted, SendUpstream)
    await setup.admission.settle(setup.calls.settlement(leader, admitted.dataset_id, fresh_seconds=60))
    second_request = msgspec.structs.replace(joiner, reservation=without_request_count(joiner.reservation))
    assert isinstance(await setup.admission.admit(second_request), CacheHit)
    assert repr(setup.reservations) == "<Reservations: 0 in progress, 0 to settle>"
    for name in ("x", "y"):
        assert isinstance(await setup.admission.admit(setup.calls.request(name, scopes, cost_nanos=5)), SendUpstream)

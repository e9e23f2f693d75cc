"""Reservations last as long as their process, are restored after Redis has lost them, and are settled in the end."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until, wait_until_async
from tests.injected_faults import Fault, task_log_levels
from tests.limits.script_parts import LEASE, ScriptCalls
from tidegate.core.clock import SystemClock
from tidegate.limits.decision import RebuildNeeded, SendUpstream
from tidegate.limits.reservations import CHECK_SECONDS, Reservations
from tidegate.limits.scopes import LimitScope
from tidegate.limits.scripts import AdmissionRequest, LimitScripts
from tidegate.storage.redis import RedisLink


class FaultyScripts(LimitScripts):
    """The real scripts, with a fault to inject into those that the periodic tasks run."""

    def __init__(self, calls: ScriptCalls) -> None:
        super().__init__(calls.link, prefix=calls.prefix, lease_seconds=LEASE)
        self.faults = {name: Fault() for name in ("reap", "dataset_id", "release")}

    async def reap(self, *, now: float) -> None:
        self.faults["reap"].trip()
        await super().reap(now=now)

    async def dataset_id(self) -> str:
        self.faults["dataset_id"].trip()
        return await super().dataset_id()

    async def release(self, request_id: str, *, now: float) -> None:
        self.faults["release"].trip()
        await super().release(request_id, now=now)


KEY = (LimitScope(name="key/a", budget_day=1000, concurrency=5),)


@pytest.fixture
async def calls(redis_link: RedisLink, redis_prefix: str) -> ScriptCalls:
    return await ScriptCalls(redis_link, redis_prefix).with_valid_counters()


@pytest.fixture
async def reservations(calls: ScriptCalls) -> AsyncIterator[Reservations]:
    """The reservations of a process whose leases are short."""
    reservations = Reservations(calls.scripts, SystemClock(), lease_seconds=0.6)
    await reservations.start()
    yield reservations
    await reservations.close()


async def under_way(calls: ScriptCalls, reservations: Reservations) -> tuple[AdmissionRequest, SendUpstream]:
    """Admit a request and register it."""
    request = calls.request("r", KEY, now=SystemClock().now(), cost_nanos=900, lease_seconds=reservations.lease_seconds)
    decision = await calls.scripts.admit(request)
    assert isinstance(decision, SendUpstream)
    reservations.add(request, spends=True)
    return request, decision


async def held(calls: ScriptCalls) -> int:
    request = calls.request("probe", (), now=SystemClock().now())
    await calls.scripts.admit(request)  # which gives up what is lost
    await calls.scripts.release("probe", now=request.now)
    return await calls.counter("held", "key/a", request.reservation.day)


async def spent(calls: ScriptCalls) -> int:
    return await calls.counter("spent", "key/a", calls.request("probe", (), now=SystemClock().now()).reservation.day)


async def test_a_reservation_lasts_as_long_as_its_process(calls: ScriptCalls, reservations: Reservations) -> None:
    await under_way(calls, reservations)
    await asyncio.sleep(2.5 * reservations.lease_seconds)
    assert await held(calls) == 900
    await reservations.close()
    await asyncio.sleep(1.2 * reservations.lease_seconds)
    assert (await held(calls), await spent(calls)) == (0, 900)


@pytest.mark.usefixtures("reservations")
async def test_reservations_of_a_dead_process_are_charged_without_traffic(calls: ScriptCalls) -> None:
    request = calls.request("r", KEY, now=SystemClock().now(), cost_nanos=900, lease_seconds=0.1)
    assert isinstance(
        await calls.scripts.admit(request), SendUpstream
    )  # by a process that dies now: no reservations has it

    async def charged() -> bool:
        return await spent(calls) == 900

    await wait_until_async(charged)
    assert await calls.counter("held", "key/a", request.reservation.day) == 0


async def test_reservations_that_redis_lost_are_restored(calls: ScriptCalls, reservations: Reservations) -> None:
    request, before = await under_way(calls, reservations)
    await asyncio.sleep(2 * CHECK_SECONDS)  # it has seen this memory
    await calls.delete_all_keys()
    await until_held(calls, 900)
    await calls.with_valid_counters()
    reservations.discard(request.reservation.id)
    await calls.settle(request, before.dataset_id, cost_nanos=300, now=SystemClock().now())
    assert (await held(calls), await spent(calls)) == (0, 300)


async def until_held(calls: ScriptCalls, nanos: int) -> None:
    async def holding() -> bool:
        return await held(calls) == nanos

    await wait_until_async(holding)


async def test_a_settlement_that_failed_is_sent_later(calls: ScriptCalls, reservations: Reservations) -> None:
    request, admitted = await under_way(calls, reservations)
    reservations.discard(request.reservation.id)
    reservations.settle_later(
        calls.settlement(request, admitted.dataset_id, cost_nanos=300, fresh_seconds=60, body=b"{}")
    )
    assert repr(reservations) == "<Reservations: 0 in progress, 1 to settle>"
    await wait_until(lambda: "0 to settle" in repr(reservations))
    assert await held(calls) == 0
    assert [line["cost_nanos"] for line in await calls.ledger_entries()] == [300]
    decision = await calls.admit("next", request.reservation.scopes, cost_nanos=1)
    assert isinstance(decision, RebuildNeeded), "its line may have been counted before, or not: the ledger tells"


async def test_a_request_that_was_not_sent_is_released_later(calls: ScriptCalls, reservations: Reservations) -> None:
    request, _ = await under_way(calls, reservations)
    reservations.discard(request.reservation.id)
    reservations.release_later(request.reservation.id)
    await wait_until(lambda: "0 to settle" in repr(reservations))
    assert (await held(calls), await spent(calls)) == (0, 0)


async def test_while_redis_is_away_nothing_is_dropped(calls: ScriptCalls, redis_prefix: str) -> None:
    nowhere = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    reservations = Reservations(ScriptCalls(nowhere, redis_prefix).scripts, SystemClock(), lease_seconds=0.6)
    await reservations.start()
    reservations.release_later("r")
    reservations.settle_later(calls.settlement(calls.request("s", KEY), "m"))
    await asyncio.sleep(1.3)
    assert repr(reservations) == "<Reservations: 0 in progress, 2 to settle>"
    await reservations.close()


@pytest.mark.parametrize(
    ("script", "task"),
    [("reap", "reservation-renewal"), ("dataset_id", "redis-data-set"), ("release", "late-settlements")],
)
async def test_a_defect_in_a_round_is_logged_once_and_the_next_round_comes(
    calls: ScriptCalls, script: str, task: str
) -> None:
    scripts = FaultyScripts(calls)
    scripts.faults[script].arm(times=2)
    reservations = Reservations(scripts, SystemClock(), lease_seconds=0.6)
    with capture_logs() as logs:
        await reservations.start()
        reservations.release_later("r1")
        reservations.release_later("r2")
        await wait_until(lambda: len(task_log_levels(logs, task)) == 2)
        await wait_until(lambda: "0 to settle" in repr(reservations))
        await reservations.close()
    assert task_log_levels(logs, task) == ["error", "info"]


async def test_a_settlement_that_fails_does_not_block_the_others(calls: ScriptCalls) -> None:
    scripts = FaultyScripts(calls)
    scripts.faults["release"].arm(times=1_000)
    reservations = Reservations(scripts, SystemClock(), lease_seconds=0.6)
    await reservations.start()
    request = calls.request("s", KEY, now=SystemClock().now(), cost_nanos=300)
    reservations.release_later("r")
    reservations.settle_later(calls.settlement(request, ""))
    await wait_until(lambda: "1 to settle" in repr(reservations))
    await reservations.close()
    assert [entry["cost_nanos"] for entry in await calls.ledger_entries()] == [300]

"""Requests wait for the upstream across processes: in order, up to the limit and no further, and none is lost."""

import asyncio
import itertools
import tracemalloc

import pytest
from structlog.testing import capture_logs

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.injected_faults import Fault, task_log_levels
from tests.limits.enforcer import EnforcingUpstream, TokenBucketLimiter, WindowLimiter
from tests.queue.spike import LANE, Spike, queue_entry, replicas, spike
from tidegate.core.clock import SystemClock
from tidegate.core.errors import QueueFull, QueueTimeout, UpstreamBusy
from tidegate.core.rate_limits import ReportedLimit, ReportedLimits
from tidegate.queue.messages import LaneLimits, QueueEntry, QueuePosition
from tidegate.queue.replicas import Replicas
from tidegate.queue.waiters import Waiters
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink

RPM = 6_000
TRIES = 4
"""How often a machine may be too busy with other things to be as quick as it can."""
DRAINED = ReportedLimits(requests=ReportedLimit(limit=60, remaining=0))


def overtaken(order: list[int]) -> int:
    """Return how many requests were sent just after one that arrived later."""
    return sum(one > other for one, other in itertools.pairwise(order))


async def drain(waiters: Waiters, limits: ReportedLimits = DRAINED) -> None:
    """Report to the lane that nothing remains."""
    waiters.feedback.report_answer(LANE, "shop", limits, ok=True, age=0.0)
    await wait_until(lambda: waiters.feedback.is_flushed(LANE))


async def go(waiters: Waiters, count: int, patience: float = 300.0) -> list[asyncio.Task[QueuePosition]]:
    """Enter this many requests of this process, in tasks."""
    tasks = [
        asyncio.create_task(waiters.enter(LANE, queue_entry(waiters, f"{n:04}", patience=patience)))
        for n in range(count)
    ]
    await wait_until(lambda: sum(1 for _ in waiters.waiting_calls()) + sum(task.done() for task in tasks) == count)
    return tasks


async def end(tasks: list[asyncio.Task[QueuePosition]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("style", "at_once", "slack"),
    [("full", RPM, 0.9), ("drained", 0, 0.0), ("windows", 0, 0.0)],
    ids=["a full bucket", "a drained bucket", "windows of a second"],
)
async def test_a_spike_is_answered_at_the_rate_the_upstream_enforces(
    clean_stores: object, redis_url: str, redis_prefix: str, style: str, at_once: int, slack: float
) -> None:
    assert clean_stores
    clock = SystemClock()
    theory = max(0, 300 - at_once) * 60 / RPM + 0.02
    seconds: list[float] = []
    while len(seconds) < TRIES and not (seconds and seconds[-1] <= 1.1 * theory + 0.5 + slack):
        upstream = EnforcingUpstream(
            WindowLimiter(RPM, span=1.0, clock=clock)
            if style == "windows"
            else TokenBucketLimiter(RPM, level=at_once, clock=clock),
            latency=0.02,
        )
        async with replicas(redis_url, f"{redis_prefix}-{len(seconds)}") as processes:
            tickets = [queue_entry(processes[number % 3], f"{number:04}") for number in range(300)]
            done: Spike = await spike(processes, upstream, tickets)
        assert upstream.taken == 300
        assert upstream.refused <= 3
        assert sum(map(overtaken, done.order.values())) <= upstream.refused, "only who was rejected goes later"
        seconds.append(done.seconds)
    # a tenth, and the margin of the first grant
    assert min(seconds) <= 1.1 * theory + 0.5 + slack


async def test_a_flood_at_most_doubles_another_projects_wait(
    clean_stores: object, redis_url: str, redis_prefix: str
) -> None:
    assert clean_stores
    for number in range(TRIES):
        alone, beside = await waits_of_the_few(redis_url, f"{redis_prefix}-{number}")
        if beside <= 2 * alone + 0.1:
            return
    pytest.fail(f"they wait {alone:.2f} s alone, and {beside:.2f} s beside a flood")


async def waits_of_the_few(redis_url: str, prefix: str) -> list[float]:
    """Return how long 19 of 20 requests wait, alone and behind a flood."""
    waits: list[float] = []
    for flood in (0, 1_000):
        upstream = EnforcingUpstream(TokenBucketLimiter(1_200, level=0, clock=SystemClock()), latency=0.01)
        async with replicas(redis_url, f"{prefix}-{flood}") as processes:
            for process in processes:
                await drain(process, ReportedLimits(requests=ReportedLimit(limit=1_200, remaining=0)))
            tasks = [
                asyncio.create_task(
                    processes[n % 3].enter(LANE, queue_entry(processes[n % 3], f"flood{n:04}", flow="quay"))
                )
                for n in range(flood)
            ]
            await wait_until(
                lambda ps=processes, most=flood: (
                    sum(  # type: ignore[misc]  # a loop's values, bound
                        1 for p in ps for _ in p.waiting_calls()
                    )
                    >= most * 0.98
                )
            )
            few = await spike(processes, upstream, [queue_entry(processes[n % 3], f"few{n:02}") for n in range(20)])
            waits.append(sorted(few.waits.values())[18])
            await end(tasks)
    return waits


async def test_two_thousand_wait_in_one_process_on_little_memory(
    clean_stores: object, redis_url: str, redis_prefix: str
) -> None:
    assert clean_stores
    async with replicas(redis_url, redis_prefix, 1, LaneLimits(rpm=1)) as (waiters,):
        await drain(waiters)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tasks = await go(waiters, 2_000, patience=1e6)
        each = (tracemalloc.get_traced_memory()[0] - before) / 2_000
        tracemalloc.stop()
        assert each < 5_000, f"{each:.0f} bytes for each"
        assert repr(waiters) == "<Waiters of process0: 2000 wait>"
        (shown,) = await waiters.snapshot(limit=2)
        assert (shown.waiting, len(shown.first_entries)) == (2_000, 2)
        assert {lane for lane, _, _ in waiters.waiting_calls()} == {LANE}
        await end(tasks)
        await wait_until(lambda: not waiters.has_pending_writes)
        assert (await waiters.snapshot())[0].waiting == 0


async def test_a_cancelled_request_leaves_and_the_next_goes(
    clean_stores: object, redis_url: str, redis_prefix: str
) -> None:
    assert clean_stores
    async with replicas(redis_url, redis_prefix, 1, LaneLimits(rpm=600)) as (waiters,):
        await drain(waiters)
        tasks = await go(waiters, 3)
        await end(tasks[:2])
        await asyncio.wait_for(tasks[2], PATIENCE_SECONDS)
        assert await waiters.snapshot() == () or (await waiters.snapshot())[0].waiting == 0


async def test_a_grant_that_is_not_used_is_the_next_ones(
    clean_stores: object, redis_url: str, redis_prefix: str
) -> None:
    assert clean_stores
    async with replicas(redis_url, redis_prefix, 1, LaneLimits(rpm=6)) as (waiters,):
        first = queue_entry(waiters, "first")
        for name in ("a", "b", "c", "d"):
            await asyncio.wait_for(waiters.enter(LANE, queue_entry(waiters, name)), PATIENCE_SECONDS)
            waiters.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=True, age=0.0)
        await waiters.enter(LANE, first)
        tasks = await go(waiters, 1)
        assert not tasks[0].done()
        waiters.give_back(LANE, first)
        await asyncio.wait_for(tasks[0], 8)  # its own turn would come after ten


async def test_a_request_that_would_miss_its_deadline_is_rejected_at_once(
    clean_stores: object, redis_url: str, redis_prefix: str
) -> None:
    assert clean_stores
    async with replicas(redis_url, redis_prefix, 1, LaneLimits(rpm=6, max_waiting=5)) as (waiters,):
        await drain(waiters)
        tasks = await go(waiters, 3)
        with pytest.raises(
            QueueTimeout, match=r"its limit, not yours.*estimated wait is [34]\d\.\d s.* may wait (20|1\d)\.\d s"
        ) as late:
            await waiters.enter(LANE, queue_entry(waiters, "late", patience=20.0))
        assert 30 < (late.value.retry_after or 0) <= 41.5
        tasks += [asyncio.create_task(waiters.enter(LANE, queue_entry(waiters, name))) for name in ("4", "5")]
        await wait_until(lambda: sum(1 for _ in waiters.waiting_calls()) == 5)
        with pytest.raises(QueueFull, match="the queue is full"):
            await waiters.enter(LANE, queue_entry(waiters, "sixth"))
        await end(tasks)


async def test_a_deadline_that_passes_all_the_same_ends_the_wait(
    clean_stores: object, redis_url: str, redis_prefix: str
) -> None:
    assert clean_stores
    async with replicas(redis_url, redis_prefix, 1, LaneLimits(rpm=600)) as (waiters,):
        await drain(waiters)
        waiting = asyncio.create_task(waiters.enter(LANE, queue_entry(waiters, "a", patience=0.6)))
        await wait_until(lambda: sum(1 for _ in waiters.waiting_calls()) == 1)
        waiters.feedback.report_rate_limit(LANE, "shop", ReportedLimits(), "requests", 30.0, tokens=1, age=0.0)
        with pytest.raises(QueueTimeout, match="not granted any within"):
            await waiting


async def test_a_grant_that_was_lost_is_noticed(
    clean_stores: object, redis_url: str, redis_prefix: str, redis_link: RedisLink
) -> None:
    assert clean_stores
    async with replicas(redis_url, redis_prefix, 1, LaneLimits(rpm=600)) as (waiters,):
        await drain(waiters)
        tasks = await go(waiters, 1)
        names = RedisNames(redis_prefix)
        kinds = (names.of("lane_line", LANE, "harbour/4"), names.of("lane_waiting", LANE), names.of("lane_flows", LANE))
        await redis_link.command("DEL", *kinds)
        await asyncio.wait_for(tasks[0], PATIENCE_SECONDS)


async def test_requests_of_a_dead_process_leave_the_queue(
    clean_stores: object, redis_url: str, redis_prefix: str, redis_link: RedisLink
) -> None:
    assert clean_stores
    async with replicas(redis_url, redis_prefix, 1, LaneLimits(rpm=60)) as (waiters,):
        await drain(waiters)
        for number in range(50):
            dead = QueueEntry(
                member=f"dead:{number}", tokens=1, flow="harbour", weight=4, deadline=SystemClock().now() + 300
            )
            await waiters.request(LANE, dead)
        tasks = await go(waiters, 1)
        assert redis_link.up
        await asyncio.wait_for(tasks[0], 25)  # behind the dead it would take fifty


async def test_a_grant_that_arrives_before_its_verdict_is_kept(
    clean_stores: object, redis_url: str, redis_prefix: str
) -> None:
    assert clean_stores
    async with replicas(redis_url, redis_prefix, 1, LaneLimits(rpm=600)) as (waiters,):
        await drain(waiters)
        first = queue_entry(waiters, "first")
        verdict = await waiters.request(LANE, first)
        tasks = await go(waiters, 1)
        await tasks[0]
        assert await asyncio.wait_for(waiters.wait(LANE, first, verdict), PATIENCE_SECONDS) == verdict.position  # type: ignore[union-attr]  # it was queued


async def test_while_redis_is_away_a_process_keeps_to_its_share(redis_prefix: str) -> None:
    clock = SystemClock()
    link = RedisLink("redis://127.0.0.1:1", timeout=0.3, clock=clock)
    waiters = Waiters(
        link,
        prefix=redis_prefix,
        process="p",
        clock=clock,
        lane_limits=lambda _: LaneLimits(rpm=600),
        replicas=Replicas(),
    )
    await waiters.start()
    tasks = await go(waiters, 10)
    started = clock.monotonic()
    await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_SECONDS)
    assert clock.monotonic() - started > 0.3, "three at once, the others at ten a second"
    await waiters.close()


async def test_requests_that_wait_when_redis_goes_away_wait_locally(
    clean_stores: object, redis_url: str, redis_prefix: str
) -> None:
    assert clean_stores
    clock = SystemClock()
    link = RedisLink(redis_url, timeout=2.0, clock=clock)
    await link.start()
    waiters = Waiters(
        link,
        prefix=redis_prefix,
        process="p",
        clock=clock,
        lane_limits=lambda _: LaneLimits(rpm=600),
        replicas=Replicas(),
    )
    await waiters.start()
    await drain(waiters)
    waiters.feedback.report_rate_limit(LANE, "shop", ReportedLimits(), "requests", 30.0, tokens=1, age=0.0)
    await asyncio.sleep(0.1)
    tasks = await go(waiters, 5)
    assert not any(task.done() for task in tasks)
    await link.close()
    await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_SECONDS)
    await waiters.close()


async def test_closing_releases_waiting_requests_and_leaves_no_task(
    clean_stores: object, redis_url: str, redis_prefix: str
) -> None:
    assert clean_stores
    before = asyncio.all_tasks()
    async with replicas(redis_url, redis_prefix, 1, LaneLimits(rpm=60)) as (waiters,):
        await drain(waiters)
        tasks = await go(waiters, 3)
        await waiters.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {UpstreamBusy}
    assert asyncio.all_tasks() == before


class FaultyReplicas(Replicas):
    """The number of processes, with a fault to inject when it is set."""

    fault = Fault()

    def set_count(self, count: int) -> None:
        self.fault.trip()
        super().set_count(count)


@pytest.mark.parametrize("task", ["queue-dispatch", "queue-upkeep"])
async def test_a_defect_in_a_round_is_logged_once_and_requests_go_on(
    clean_stores: object, redis_link: RedisLink, redis_prefix: str, task: str
) -> None:
    assert clean_stores
    dispatch_fault, replicas = Fault(), FaultyReplicas()

    def lane_limits(_: str) -> LaneLimits:
        dispatch_fault.trip()
        return LaneLimits(rpm=60)

    waiters = Waiters(
        redis_link, prefix=redis_prefix, process="p", clock=SystemClock(), lane_limits=lane_limits, replicas=replicas
    )
    await waiters.start()
    await drain(waiters)
    with capture_logs() as logs:
        [waiting] = await go(waiters, 1)
        (dispatch_fault if task == "queue-dispatch" else replicas.fault).arm(times=2)
        await asyncio.wait_for(waiting, PATIENCE_SECONDS)
        await wait_until(lambda: len(task_log_levels(logs, task)) == 2)
    await waiters.close()
    assert task_log_levels(logs, task) == ["error", "info"]

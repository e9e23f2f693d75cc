"""Responses are reported to the lane in the background: seldom while nothing is urgent, at once when something is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until, wait_until_async
from tests.injected_faults import Fault, task_log_levels
from tidegate.core.clock import SystemClock
from tidegate.core.rate_limits import ReportedLimit, ReportedLimits
from tidegate.queue.feedback import MAX_DELAY_SECONDS, CapacityFeedback, merged
from tidegate.queue.local import LocalCapacity
from tidegate.queue.messages import MAX_LANES, CapacityReport, Granted, LaneLimits, Queued, QueueEntry
from tidegate.queue.replicas import Replicas
from tidegate.queue.store import CapacityStore, LearnOutcome
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink

LANE = "openai/gpt-4o-mini"
REPORTED = ReportedLimits(requests=ReportedLimit(limit=600, remaining=500))


class FaultyStore(CapacityStore):
    """The real store, with a fault to inject into its reports."""

    fault = Fault()

    async def learn(self, lane: str, report: CapacityReport, now: float) -> LearnOutcome:
        self.fault.trip()
        return await super().learn(lane, report, now)


class FeedbackSetup:
    """The feedback of one process, and the lane's state in Redis."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        clock = SystemClock()
        lane_limits = lambda _: LaneLimits()  # noqa: E731  # shared by two
        self.link, self.prefix = link, prefix
        self.key = RedisNames(prefix).of("lane", LANE)
        self.local = LocalCapacity(lane_limits, Replicas())
        self.store = FaultyStore(link, prefix=prefix, lane_limits=lane_limits)
        self.learnt_lanes: list[str] = []
        self.feedback = CapacityFeedback(self.store, self.local, clock=clock, on_learnt=self.learnt_lanes.append)

    async def state(self) -> dict[str, Any]:
        packed = await self.link.command("GET", self.key)
        return msgspec.msgpack.decode(packed, type=dict) if packed else {}


@pytest.fixture
async def setup(clean_stores: object, redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[FeedbackSetup]:
    assert clean_stores
    setup = FeedbackSetup(redis_link, redis_prefix)
    yield setup
    await setup.feedback.close()


async def test_the_first_response_is_reported_at_once_and_the_next_ones_together(setup: FeedbackSetup) -> None:
    begun = SystemClock().now()
    setup.feedback.report_answer(LANE, "shop", REPORTED, ok=True, age=0.1)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    for left in range(499, 399, -1):
        setup.feedback.report_answer(
            LANE, "shop", ReportedLimits(requests=ReportedLimit(limit=600, remaining=left)), ok=True, age=0.0
        )
    assert not setup.feedback.is_flushed(LANE)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    assert len(setup.learnt_lanes) == 2
    state = await setup.state()
    assert state["limits"] == [600, 0]
    assert state["ramp"] == 104
    assert begun + 19.8 <= state["full_at"][0] <= SystemClock().now() + 20


async def test_a_429_is_reported_at_once(setup: FeedbackSetup) -> None:
    setup.feedback.report_answer(LANE, "shop", REPORTED, ok=True, age=0.1)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    begun = SystemClock().now()
    setup.feedback.report_rate_limit(LANE, "shop", ReportedLimits(), "requests", 7.0, tokens=50, age=0.0)
    await wait_until(lambda: len(setup.learnt_lanes) == 2)
    assert begun + 7 <= (await setup.state())["not_before"] <= SystemClock().now() + 7


async def test_an_outage_is_reported_at_once(setup: FeedbackSetup) -> None:
    setup.feedback.report_answer(LANE, "shop", REPORTED, ok=True, age=0.1)
    setup.feedback.report_outage(LANE)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    assert (await setup.state())["ramp"] == 3


async def test_of_an_unlimited_lane_only_news_is_reported(setup: FeedbackSetup) -> None:
    for _ in range(61):
        setup.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=True, age=0.0)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    learnt = len(setup.learnt_lanes)
    setup.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=True, age=0.0)
    assert setup.feedback.is_flushed(LANE)
    assert len(setup.learnt_lanes) == learnt
    setup.feedback.report_answer(LANE, "shop", REPORTED, ok=True, age=0.0)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    assert (await setup.state())["free"] is False


async def free_lane(setup: FeedbackSetup) -> None:
    for _ in range(61):
        setup.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=True, age=0.0)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    assert (await setup.state())["free"]


async def granted(setup: FeedbackSetup, member: str) -> bool:
    ticket = QueueEntry(member=member, tokens=1, flow="harbour", weight=4, deadline=2e9)
    return isinstance(await setup.store.enter(LANE, ticket, SystemClock().now()), Granted)


async def test_a_lane_that_redis_lost_grows_by_responses_without_headers(setup: FeedbackSetup) -> None:
    await free_lane(setup)
    await setup.link.command("DEL", setup.key)
    assert [await granted(setup, f"p:{number}") for number in range(4)] == [True, True, True, False]
    for _ in range(3):
        setup.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=True, age=0.0)
    await until_in(setup, unanswered=0)
    assert (await setup.state())["ramp"] == 6


async def test_a_request_that_waits_makes_unreported_responses_urgent(setup: FeedbackSetup) -> None:
    await free_lane(setup)
    await setup.link.command("DEL", setup.key)
    assert await granted(setup, "p:1")
    setup.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=True, age=0.0)
    assert setup.feedback.is_flushed(LANE)
    setup.feedback.report_waiting(LANE)
    assert not setup.feedback.is_flushed(LANE)
    await until_in(setup, unanswered=0)


async def test_responses_while_redis_was_away_are_reported_when_it_is_back(setup: FeedbackSetup) -> None:
    for number in range(3):
        assert await granted(setup, f"p:{number}")
    await setup.link.close()
    for _ in range(3):
        setup.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=True, age=0.0)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    await setup.link.start()
    await until_in(setup, unanswered=0)


async def test_after_its_end_nothing_is_sent_any_more_although_redis_is_away(setup: FeedbackSetup) -> None:
    await setup.link.close()
    setup.feedback.report_answer(LANE, "shop", REPORTED, ok=True, age=0.0)
    await setup.feedback.close()
    rounds = len(setup.learnt_lanes)
    with pytest.raises(AssertionError):
        await wait_until(lambda: len(setup.learnt_lanes) > rounds, 2 * MAX_DELAY_SECONDS)


async def test_a_defect_in_sending_a_report_is_logged_once_and_its_answers_are_sent_later(setup: FeedbackSetup) -> None:
    for number in range(3):
        assert await granted(setup, f"p:{number}")
    setup.store.fault.arm(times=2)
    with capture_logs() as logs:
        for _ in range(3):
            setup.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=True, age=0.0)
            await asyncio.sleep(0.01)
        await until_in(setup, unanswered=0)
        await wait_until(lambda: len(task_log_levels(logs, "capacity-feedback")) == 2)
    assert task_log_levels(logs, "capacity-feedback") == ["error", "info"]


async def until_in(setup: FeedbackSetup, *, unanswered: int) -> None:
    """Wait until Redis counts this many unanswered requests."""

    async def counted() -> bool:
        return bool((await setup.state())["out"] == unanswered)

    await wait_until_async(counted)


async def test_learnt_limits_are_remembered_for_when_redis_is_away(setup: FeedbackSetup) -> None:
    setup.feedback.report_answer(LANE, "shop", REPORTED, ok=True, age=0.1)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    ticket = QueueEntry(member="p:1", tokens=1, flow="harbour", weight=4, deadline=2e9)
    now = SystemClock().now()
    verdicts = [setup.local.enter(LANE, msgspec.structs.replace(ticket, member=f"p:{n}"), now) for n in range(9)]
    assert {type(verdict) for verdict in verdicts} == {Granted, Queued}
    await setup.link.close()
    setup.feedback.report_answer(LANE, "shop", REPORTED, ok=True, age=0.1)
    await asyncio.sleep(0)
    await wait_until(lambda: setup.feedback.is_flushed(LANE))
    assert setup.learnt_lanes == [LANE, LANE], "who waits here is looked after all the same"


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (CapacityReport(answered=1, succeeded=1), CapacityReport(answered=2), CapacityReport(answered=3, succeeded=1)),
        (
            CapacityReport(rpm=600, rpm_remaining=5),
            CapacityReport(rpm=500, rpm_remaining=7),
            CapacityReport(rpm=500, rpm_remaining=5),
        ),
        (CapacityReport(rpm=600, rpm_remaining=5), CapacityReport(), CapacityReport(rpm=600, rpm_remaining=5)),
        (CapacityReport(), CapacityReport(tpm=9, tpm_remaining=0), CapacityReport(tpm=9, tpm_remaining=0)),
        (CapacityReport(age=2.0), CapacityReport(age=0.1), CapacityReport(age=2.0)),
        (
            CapacityReport(rejection_kind="tokens", retry_after=2.0, tokens=9),
            CapacityReport(rejection_kind="requests", retry_after=1.0),
            CapacityReport(rejection_kind="requests", retry_after=2.0, tokens=9),
        ),
        (
            CapacityReport(closed_window="tokens", closed_for=9.0),
            CapacityReport(),
            CapacityReport(closed_window="tokens", closed_for=9.0),
        ),
        (CapacityReport(), CapacityReport(outage=True), CapacityReport(outage=True)),
    ],
)
def test_two_reports_become_one(one: CapacityReport, other: CapacityReport, both: CapacityReport) -> None:
    assert merged(one, other) == both


async def test_a_429_can_be_flushed_to_the_lane(setup: FeedbackSetup) -> None:
    setup.feedback.report_answer(LANE, "shop", REPORTED, ok=True, age=0.1)  # being learnt while the refusal comes
    await asyncio.sleep(0)
    begun = SystemClock().now()
    setup.feedback.report_rate_limit(LANE, "shop", ReportedLimits(), "requests", 5.0, tokens=1, age=0.0)
    await setup.feedback.flush(LANE)
    assert begun + 5 <= (await setup.state())["not_before"] <= SystemClock().now() + 5
    assert setup.feedback.is_flushed(LANE)
    await setup.feedback.flush(LANE)  # there is nothing to wait for


async def test_callers_may_name_any_number_of_models(setup: FeedbackSetup) -> None:
    for first in range(0, 2 * MAX_LANES, 100):
        lanes = [f"openai/m{number}" for number in range(first, first + 100)]
        for lane in lanes:
            setup.feedback.report_answer(lane, "shop", ReportedLimits(), ok=False, age=0.0)
        await asyncio.gather(*(setup.feedback.flush(lane) for lane in lanes))
    assert setup.feedback.lane_count <= MAX_LANES
    known = RedisNames(setup.prefix).of("lanes_known")
    assert await setup.link.command("ZCARD", known) == 2 * MAX_LANES, "as many as Redis keeps"
    first_lane = await setup.link.command("ZRANGE", known, 0, 0)
    setup.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=False, age=0.0)
    await setup.feedback.flush(LANE)
    assert await setup.link.command("ZCARD", known) == 2 * MAX_LANES
    assert not await setup.link.command("EXISTS", RedisNames(setup.prefix).of("lane", first_lane[0].decode()))


@pytest.mark.parametrize(("succeeds", "seconds"), [(True, 86_400), (False, 600)])
async def test_a_lane_of_which_nothing_was_learnt_is_forgotten_soon(
    setup: FeedbackSetup, succeeds: bool, seconds: int
) -> None:
    assert await granted(setup, "p:1")
    setup.feedback.report_answer(LANE, "shop", ReportedLimits(), ok=succeeds, age=0.0)
    await setup.feedback.flush(LANE)
    assert seconds - 60 < await setup.link.command("TTL", setup.key) <= seconds
    flows = RedisNames(setup.prefix).of("lane_flows", LANE)
    assert 540 < await setup.link.command("TTL", flows) <= 600

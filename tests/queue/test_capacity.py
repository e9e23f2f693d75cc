"""A lane keeps to the upstream's rate; no request starves, overtakes another of its flow, or is lost."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.queue.capacity_steps import Arrival, Step, histories, lane_limits
from tidegate.queue import capacity as rules
from tidegate.queue.capacity import UpstreamCapacity
from tidegate.queue.messages import CapacityReport, Granted, LaneLimits, Queued, QueueEntry, QueueRejected

T0 = 1_790_000_000.0
UNKNOWN = LaneLimits()


def always_alive(_: str) -> bool:
    return True


def queue_entry(
    name: str, *, flow: str = "harbour", weight: int = 4, tokens: int = 10, patience: float = 1e6
) -> QueueEntry:
    return QueueEntry(member=f"p:{name}", tokens=tokens, flow=flow, weight=weight, deadline=T0 + patience)


def drained(rpm: int = 600, tpm: int = -1) -> UpstreamCapacity:
    """Return a lane whose upstream has reported that nothing remains."""
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=rpm, rpm_remaining=0, tpm=tpm, tpm_remaining=0 if tpm > 0 else -1), UNKNOWN, T0)
    return lane


def run(lane: UpstreamCapacity, seconds: float, limits: LaneLimits = UNKNOWN, since: float = T0) -> dict[str, float]:
    """Return when each request was granted, in that order, if every grant is answered at once."""
    at = since
    granted: dict[str, float] = {}
    while at <= since + seconds:
        members, again = lane.dispatch(limits, at, always_alive)
        granted |= dict.fromkeys(members, at - since)
        lane.learn(CapacityReport(answered=len(members), succeeded=len(members)), limits, at)
        if again is None:
            break
        at += max(again, 0.001)
    return granted


def p95(waits: list[float]) -> float:
    return sorted(waits)[math.ceil(0.95 * len(waits)) - 1]


# how the first ones go


def test_an_unknown_lane_starts_slowly_and_doubles_with_each_round_trip() -> None:
    lane = UpstreamCapacity()
    for number in range(100):
        lane.enter(queue_entry(f"{number:03}"), UNKNOWN, T0)
    rounds = [lane.state.unanswered]
    while lane.fair_queue.waiting:
        lane.learn(CapacityReport(answered=lane.state.unanswered, succeeded=lane.state.unanswered), UNKNOWN, T0)
        members, _ = lane.dispatch(UNKNOWN, T0, always_alive)
        rounds.append(len(members))
    assert rounds == [3, 6, 12, 24, 48, 7]


def test_an_upstream_that_names_no_limit_and_never_refuses_is_taken_to_have_none() -> None:
    lane = UpstreamCapacity()
    for _ in range(61):
        assert not lane.state.unlimited
        lane.learn(CapacityReport(answered=1, succeeded=1), UNKNOWN, T0)
    assert lane.state.unlimited
    assert all(isinstance(lane.enter(queue_entry(f"{n}"), UNKNOWN, T0), Granted) for n in range(1_000))
    assert lane.state.unanswered == 0, "nothing is written for them"


@pytest.mark.parametrize(
    "report",
    [
        CapacityReport(answered=9, rejection_kind="requests"),
        CapacityReport(rpm=600),
        CapacityReport(tpm=30_000),
        CapacityReport(outage=True),
    ],
)
def test_an_unlimited_lane_becomes_limited_by_headers_or_a_429(report: CapacityReport) -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(succeeded=100), UNKNOWN, T0)
    assert lane.state.unlimited
    lane.learn(report, UNKNOWN, T0)
    assert not lane.state.unlimited


def test_a_lane_that_has_refused_once_is_never_free_again() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rejection_kind="requests", retry_after=0.0), UNKNOWN, T0)
    lane.learn(CapacityReport(succeeded=100_000), UNKNOWN, T0 + 1)
    assert not lane.state.unlimited


def test_after_an_outage_the_queue_does_not_stampede() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=6_000, rpm_remaining=6_000, succeeded=500), UNKNOWN, T0)
    lane.learn(CapacityReport(outage=True), UNKNOWN, T0)
    granted = [isinstance(lane.enter(queue_entry(f"{n}"), UNKNOWN, T0 + 60), Granted) for n in range(500)]
    assert sum(granted) == 26, "three, and a quarter second's worth of the rate"


def test_calls_without_news_for_a_minute_are_not_waited_for() -> None:
    lane = UpstreamCapacity()
    verdicts = [lane.enter(queue_entry(f"{n}"), UNKNOWN, T0) for n in range(4)]
    assert isinstance(verdicts[-1], Queued)
    assert lane.dispatch(UNKNOWN, T0 + 59, always_alive) == ([], rules.RECHECK_SECONDS)
    assert lane.dispatch(UNKNOWN, T0 + 61, always_alive) == (["p:3"], None)


# what is learnt


def test_a_reported_remainder_only_lowers_the_estimate_at_once() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=600, rpm_remaining=100), UNKNOWN, T0)
    lane.learn(CapacityReport(rpm=600, rpm_remaining=599), UNKNOWN, T0)
    assert lane.state.full_at[0] == T0 + 50
    lane.learn(CapacityReport(rpm=600, rpm_remaining=10), UNKNOWN, T0)
    assert lane.state.full_at[0] == pytest.approx(T0 + 58.9), "ten, and a part of one that is not told"


def test_an_old_remainder_counts_with_its_refill() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=600, rpm_remaining=600), UNKNOWN, T0)
    lane.learn(CapacityReport(rpm=600, rpm_remaining=0, age=30.0), UNKNOWN, T0)
    assert lane.state.full_at[0] == pytest.approx(T0 + 29.9)


def test_configured_limits_win_over_learnt_ones() -> None:
    lane, limits = UpstreamCapacity(), LaneLimits(rpm=60)
    lane.learn(CapacityReport(rpm=6_000, rpm_remaining=5_000, succeeded=1_000), limits, T0)
    granted = [isinstance(lane.enter(queue_entry(f"{n}"), limits, T0), Granted) for n in range(100)]
    assert sum(granted) == 53, "a minute's, without the margin and what is kept for others"


@pytest.mark.parametrize(("kind", "seconds"), [("requests", 9.1), ("tokens", 9.1), ("day", 9.0)])
def test_a_429s_wait_moves_the_whole_schedule(kind: str, seconds: float) -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=600, rpm_remaining=600, tpm=60_000, tpm_remaining=60_000, succeeded=19), UNKNOWN, T0)
    lane.learn(CapacityReport(rejection_kind=kind, retry_after=9.0, tokens=10), UNKNOWN, T0)
    lane.enter(queue_entry("a"), UNKNOWN, T0)
    assert run(lane, 20)["p:a"] == pytest.approx(seconds, abs=0.01)


def test_refusals_that_name_no_wait_are_waited_for_longer_each_time() -> None:
    lane, at, waits = UpstreamCapacity(), T0, []
    for _ in range(8):
        for _ in range(3):  # three were under way together
            lane.learn(CapacityReport(rejection_kind="unnamed", age=0.1), UNKNOWN, at)
        waits.append(lane.state.not_before - at)
        at = lane.state.not_before + 0.2
    assert waits == [1, 2, 4, 8, 16, 32, 32, 32]
    lane.learn(CapacityReport(succeeded=1), UNKNOWN, at)
    lane.learn(CapacityReport(rejection_kind="unnamed"), UNKNOWN, at)
    assert lane.state.not_before - at == 1


def test_a_closed_window_is_waited_for_unless_it_opened_meanwhile() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=600, rpm_remaining=0, closed_window="requests", closed_for=0.4, age=0.5), UNKNOWN, T0)
    assert lane.state.not_before == 0
    lane.learn(CapacityReport(rpm=600, rpm_remaining=0, closed_window="requests", closed_for=0.4, age=0.1), UNKNOWN, T0)
    assert lane.state.not_before == pytest.approx(T0 + 0.3)


def test_a_call_larger_than_the_limit_goes_when_the_bucket_is_full() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(tpm=600, tpm_remaining=0), UNKNOWN, T0)
    verdict = lane.enter(queue_entry("large", tokens=5_000), UNKNOWN, T0)
    assert isinstance(verdict, Queued)
    assert verdict.eta == pytest.approx(60.0, abs=0.01)
    assert run(lane, 100)["p:large"] == pytest.approx(60.0, abs=0.01)


def test_a_large_request_takes_at_most_the_bucket() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(tpm=600, tpm_remaining=600, succeeded=10), UNKNOWN, T0)
    assert isinstance(lane.enter(queue_entry("large", tokens=500_000), UNKNOWN, T0 + 1), Granted)
    lane.enter(queue_entry("next"), UNKNOWN, T0 + 1)
    assert run(lane, 100, since=T0 + 1)["p:next"] == pytest.approx(1.1, abs=0.01), "refilled at once, as upstream"


def test_requests_whose_queue_was_lost_return_in_order_before_new_ones() -> None:
    lane = drained()
    places = {}
    for number in range(30):
        verdict = lane.enter(queue_entry(f"{number:02}"), UNKNOWN, T0)
        assert isinstance(verdict, Queued)
        places[f"{number:02}"] = verdict.position
    lane = drained()  # Redis came back empty
    for name in reversed(places):
        lane.enter(msgspec.structs.replace(queue_entry(name), position=places[name]), UNKNOWN, T0)
        lane.enter(queue_entry(f"new{name}"), UNKNOWN, T0) if name == "15" else None
    assert list(run(lane, 60)) == [*(f"p:{name}" for name in places), "p:new15"]


# waiting, and not


def test_the_estimate_is_the_slower_of_requests_and_tokens() -> None:
    lane = drained(600, 6_000)
    etas = []
    for number in range(3):
        verdict = lane.enter(queue_entry(f"{number}", tokens=100), UNKNOWN, T0)
        assert isinstance(verdict, Queued)
        etas.append(verdict.eta)
    assert etas == pytest.approx([1.1, 2.1, 3.1])
    assert list(run(lane, 10).values()) == pytest.approx(etas, abs=0.01)


def test_a_request_that_would_miss_its_deadline_is_rejected_with_the_estimate() -> None:
    lane = drained()
    for number in range(100):
        lane.enter(queue_entry(f"{number:03}"), UNKNOWN, T0)
    verdict = lane.enter(queue_entry("late", patience=5.0), UNKNOWN, T0)
    assert isinstance(verdict, QueueRejected)
    assert not verdict.full
    assert verdict.eta == pytest.approx(10.2)


def test_a_queue_has_an_end() -> None:
    lane, limits = drained(), LaneLimits(max_waiting=3)
    verdicts = [lane.enter(queue_entry(f"{n}"), limits, T0) for n in range(4)]
    assert [type(verdict) for verdict in verdicts] == [Queued, Queued, Queued, QueueRejected]
    assert msgspec.structs.astuple(verdicts[-1]) == (pytest.approx(0.5), True)


def test_a_call_that_was_refused_upstream_comes_back_to_its_place() -> None:
    lane = drained()
    tickets = [queue_entry(f"{n}") for n in range(5)]
    first = lane.enter(tickets[0], UNKNOWN, T0)
    for each in tickets[1:]:
        lane.enter(each, UNKNOWN, T0)
    assert lane.dispatch(UNKNOWN, T0 + 0.25, always_alive)[0] == ["p:0"]
    lane.learn(CapacityReport(answered=1, rejection_kind="requests", retry_after=1.0), UNKNOWN, T0 + 0.3)
    again = QueueEntry(member="p:0", tokens=10, flow="harbour", weight=4, deadline=T0 + 60, position=first.position)  # type: ignore[union-attr]  # it was queued
    assert isinstance(lane.enter(again, UNKNOWN, T0 + 0.3), Queued)
    assert list(run(lane, 20, since=T0 + 0.3)) == [f"p:{n}" for n in range(5)]


def test_the_dead_and_the_late_take_no_place() -> None:
    lane = drained()
    for number in range(3):
        lane.enter(QueueEntry(member=f"dead:{number}", tokens=1, flow="f", weight=4, deadline=T0 + 60), UNKNOWN, T0)
    lane.enter(queue_entry("late", patience=0.5), UNKNOWN, T0)
    lane.enter(queue_entry("alive"), UNKNOWN, T0)
    assert lane.dispatch(UNKNOWN, T0 + 0.7, lambda process: process == "p")[0] == ["p:alive"]
    assert not lane.fair_queue.waiting


def test_a_returned_grant_goes_to_the_next_request() -> None:
    lane = drained()
    tickets = [queue_entry(f"{n}") for n in range(2)]
    for each in tickets:
        lane.enter(each, UNKNOWN, T0)
    assert lane.dispatch(UNKNOWN, T0 + 0.2, always_alive)[0] == ["p:0"]
    lane.give_back(tickets[0], UNKNOWN)
    assert lane.dispatch(UNKNOWN, T0 + 0.2, always_alive)[0] == ["p:1"]


# fair_queue


def test_a_flood_does_not_starve_another_project() -> None:
    lane = drained()
    for number in range(1_000):
        lane.enter(queue_entry(f"flood{number:04}", flow="quay"), UNKNOWN, T0)
    for number in range(20):
        lane.enter(queue_entry(f"few{number:02}"), UNKNOWN, T0)
    alone = drained()
    for number in range(20):
        alone.enter(queue_entry(f"few{number:02}"), UNKNOWN, T0)
    beside = [at for member, at in run(lane, 200).items() if "few" in member]
    assert p95(beside) <= 2 * p95(list(run(alone, 200).values()))


def test_a_light_flow_finds_a_reserve_after_a_flood() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=600, rpm_remaining=600, succeeded=600), UNKNOWN, T0)
    flood = [lane.enter(queue_entry(f"flood{n}", flow="quay"), UNKNOWN, T0 + 1) for n in range(1_000)]
    assert sum(isinstance(verdict, Granted) for verdict in flood) == 539
    few = [lane.enter(queue_entry(f"few{n}"), UNKNOWN, T0 + 1) for n in range(20)]
    assert all(isinstance(verdict, Granted) for verdict in few), "as if alone"


def test_a_high_priority_overtakes_and_a_low_one_still_moves() -> None:
    lane = drained()
    for number in range(600):
        for weight in (1, 4, 16):
            lane.enter(queue_entry(f"{weight:02}-{number:03}", weight=weight), UNKNOWN, T0)
    first = list(run(lane, 63.1))[:630]
    counts = {weight: sum(f":{weight:02}-" in member for member in first) for weight in (1, 4, 16)}
    assert counts[16] == pytest.approx(480, abs=80), "sixteen of 21, and by how much it may be ahead"
    assert counts[4] == pytest.approx(120, abs=20)
    assert counts[1] == pytest.approx(30, abs=5)


class ModelRun:
    """A lane, and the entries that must be waiting in it."""

    def __init__(self, limits: LaneLimits) -> None:
        self.lane, self.terms, self.now, self.count = UpstreamCapacity(), limits, T0, 0
        self.waiting: dict[str, QueueEntry] = {}

    def do(self, step_name: str, what: Any) -> None:
        if step_name == "arrive":
            self.arrive(what)
        elif step_name == "learn":
            self.lane.learn(what, self.terms, self.now)
        elif step_name == "pass":
            self.now += what
            self.dispatch()

    def arrive(self, arrival: Arrival) -> None:
        for _ in range(arrival.count):
            self.count += 1
            member = f"{arrival.process}:{self.count}"
            one = QueueEntry(
                member=member, tokens=arrival.tokens, flow=arrival.flow, weight=arrival.weight, deadline=T0 * 2
            )
            if isinstance(self.lane.enter(one, self.terms, self.now), Queued):
                self.waiting[member] = one

    def dispatch(self) -> float | None:
        granted, again = self.lane.dispatch(self.terms, self.now, always_alive)
        for member in granted:
            flow_id = self.waiting[member].flow_id
            first = next(name for name, one in self.waiting.items() if one.flow_id == flow_id)
            assert first == member, "first come, first served"
            del self.waiting[member]
        return again

    def check(self) -> None:
        fair_queue, waiting = self.lane.fair_queue, self.waiting
        assert set(waiting) == {member for flow in fair_queue.flows.values() for _, member in flow.members}
        assert set(waiting) == set(fair_queue.waiting)
        assert fair_queue.waiting_tokens == sum(one.tokens for one in waiting.values())


@settings(max_examples=60, deadline=None)
@given(history=histories, limits=lane_limits)
def test_no_request_is_lost_and_each_flow_keeps_its_order(history: list[Step], limits: LaneLimits) -> None:
    model_run = ModelRun(limits)
    for step_name, what in history:
        model_run.do(step_name, what)
        model_run.check()
    for _ in range(5_000):
        again = model_run.dispatch()
        model_run.lane.learn(CapacityReport(answered=model_run.lane.state.unanswered), limits, model_run.now)
        if again is None:
            break
        model_run.now += again
    assert not model_run.waiting, "everybody had a turn"


@settings(max_examples=60, deadline=None)
@given(
    rpm=st.sampled_from([6, 60, 600]),
    gaps=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.1, 1.0, 10.0, 70.0]), min_size=1, max_size=100),
)
def test_no_more_is_granted_in_any_interval_than_the_limit_allows(rpm: int, gaps: list[float]) -> None:
    lane, limits, now = UpstreamCapacity(), LaneLimits(rpm=rpm), T0
    lane.learn(CapacityReport(succeeded=10_000), limits, now)
    granted: list[float] = []
    for number, gap in enumerate(gaps):
        now += gap
        entered = [lane.enter(queue_entry(f"{number}-{n}", patience=1e9), limits, now) for n in range(3)]
        granted += [now] * sum(isinstance(verdict, Granted) for verdict in entered)
        granted += [now] * len(lane.dispatch(limits, now, always_alive)[0])
        lane.learn(CapacityReport(answered=lane.state.unanswered), limits, now)
    for first, begun in enumerate(granted):
        for last in range(first, len(granted), 7):
            assert last - first + 1 <= rpm + (granted[last] - begun) * rpm / 60 + 1e-6


def test_a_lane_shows_itself() -> None:
    assert repr(UpstreamCapacity()) == "<Lane ? rpm, ? tpm: 0 wait>"
    assert repr(drained(600, 30_000)) == "<Lane 600 rpm, 30000 tpm: 0 wait>"


@pytest.mark.parametrize("back", [60.0, 86_400.0])
def test_a_clock_that_is_set_back_delays_no_request(back: float) -> None:
    lane = UpstreamCapacity()
    for number in range(3):
        assert isinstance(lane.enter(queue_entry(f"{number}"), UNKNOWN, T0), Granted)
    lane.learn(CapacityReport(answered=3, succeeded=3), UNKNOWN, T0)
    late = msgspec.structs.replace(queue_entry("late"), deadline=T0 - back + 30)
    verdict = lane.enter(late, UNKNOWN, T0 - back)
    assert isinstance(verdict, Granted) or (isinstance(verdict, Queued) and verdict.eta < 2)

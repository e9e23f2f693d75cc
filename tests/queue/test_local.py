"""While Redis is away a process goes on with its share of the capacity, in slow start, and forgets it afterwards."""

import pytest

from tidegate.queue.local import LearntLimits, LocalCapacity
from tidegate.queue.messages import MAX_LANES, CapacityReport, Granted, LaneLimits, Queued, QueueEntry
from tidegate.queue.replicas import Replicas

LANE = "openai/gpt-4o-mini"
T0 = 1_790_000_000.0


def queue_entry(number: int) -> QueueEntry:
    return QueueEntry(member=f"p:{number}", tokens=10, flow="harbour", weight=4, deadline=T0 + 1e6)


def rate(lanes: LocalCapacity) -> float:
    """Return the grants per second of an endless queue once the burst is over."""
    for number in range(500):
        lanes.enter(LANE, queue_entry(number), T0)
    lanes.learn(LANE, CapacityReport(rpm=600, rpm_remaining=0), T0)
    lanes.dispatch(LANE, T0 + 0.1)
    granted = 0
    for tenth in range(1, 101):
        lanes.learn(LANE, CapacityReport(answered=100), T0 + 0.1 + tenth / 10)
        granted += len(lanes.dispatch(LANE, T0 + 0.1 + tenth / 10)[0])
    return granted / 10


@pytest.mark.parametrize(("replicas", "expected"), [(1, 10.0), (2, 5.0), (4, 2.5)])
def test_replicas_share_the_learnt_limits(replicas: int, expected: float) -> None:
    lanes = LocalCapacity(lambda _: LaneLimits(), Replicas(replicas))
    lanes.remember(LANE, LearntLimits(rpm=600))
    assert rate(lanes) == pytest.approx(expected, abs=0.2)


def test_configured_limits_are_shared_too() -> None:
    lanes = LocalCapacity(lambda _: LaneLimits(rpm=1_200), Replicas(3))
    assert rate(lanes) == pytest.approx(1_200 / 60 / 3, abs=0.2)


def test_more_replicas_than_calls_leave_one_for_each() -> None:
    lanes = LocalCapacity(lambda _: LaneLimits(rpm=3), Replicas(10))
    assert isinstance(lanes.enter(LANE, queue_entry(1), T0), Granted)


def test_a_lane_starts_slowly_unless_it_is_unlimited() -> None:
    lanes = LocalCapacity(lambda _: LaneLimits(), Replicas())
    assert sum(isinstance(lanes.enter(LANE, queue_entry(n), T0), Granted) for n in range(100)) == 3
    lanes.remember("free", LearntLimits(unlimited=True))
    assert sum(isinstance(lanes.enter("free", queue_entry(n), T0), Granted) for n in range(100)) == 100


def test_a_lane_is_forgotten_once_no_request_waits_in_it() -> None:
    lanes = LocalCapacity(lambda _: LaneLimits(), Replicas())
    tickets = [queue_entry(number) for number in range(4)]
    verdicts = [lanes.enter(LANE, each, T0) for each in tickets]
    assert isinstance(verdicts[3], Queued)
    lanes.discard(LANE)
    assert LANE in repr(lanes)
    lanes.leave(LANE, "p:3")
    lanes.discard(LANE)
    assert repr(lanes) == "<LocalCapacity 1/1: {}>"


def test_a_returned_grant_goes_to_the_next_request() -> None:
    lanes = LocalCapacity(lambda _: LaneLimits(), Replicas())
    tickets = [queue_entry(number) for number in range(4)]
    for each in tickets:
        lanes.enter(LANE, each, T0)
    assert lanes.dispatch(LANE, T0) == ([], 1.0)
    lanes.give_back(LANE, tickets[0])
    assert lanes.dispatch(LANE, T0) == (["p:3"], None)


def test_reports_create_no_local_lane() -> None:
    lanes = LocalCapacity(lambda _: LaneLimits(), Replicas())
    lanes.learn(LANE, CapacityReport(rejection_kind="requests"), T0)
    lanes.leave(LANE, "p:1")
    lanes.give_back(LANE, queue_entry(1))
    assert lanes.dispatch(LANE, T0) == ([], None)
    assert repr(lanes) == "<LocalCapacity 1/1: {}>"


def test_callers_may_name_any_number_of_models() -> None:
    lanes = LocalCapacity(lambda _: LaneLimits(), Replicas())
    for number in range(4):
        lanes.enter("waits", queue_entry(number), T0)
    for number in range(2 * MAX_LANES):
        lanes.remember("used", LearntLimits(unlimited=True))
        lanes.remember(f"m{number}", LearntLimits())
        lanes.enter(f"m{number}", queue_entry(number), T0)
    assert repr(lanes).count("<Lane") == MAX_LANES
    assert "waits" in repr(lanes)
    assert "'m0'" not in repr(lanes)
    assert sum(isinstance(lanes.enter("used", queue_entry(n), T0), Granted) for n in range(100)) == 100

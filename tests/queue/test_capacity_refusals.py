"""A 429 among successes slows no other request, and a long wait is looked at by one request in thirty seconds."""

from typing import Any

import pytest

from tests.queue.test_capacity import T0, UNKNOWN, always_alive, queue_entry
from tidegate.queue.capacity import UpstreamCapacity
from tidegate.queue.messages import CapacityReport, Granted, Queued


@pytest.mark.parametrize("retry_after", [-1.0, 20.0, 3600.0])
def test_a_refusal_among_successes_slows_no_other_request(retry_after: float) -> None:
    lane = UpstreamCapacity()
    refusal = CapacityReport(answered=1, rejection_kind="unnamed", retry_after=retry_after)
    lane.learn(CapacityReport(answered=100, succeeded=100), UNKNOWN, T0)
    for seconds in range(3):
        lane.learn(refusal, UNKNOWN, T0 + seconds)
        assert lane.state.unlimited
        lane.learn(CapacityReport(answered=20, succeeded=20), UNKNOWN, T0 + seconds)
    lane.learn(refusal, UNKNOWN, T0 + 3)
    lane.learn(refusal, UNKNOWN, T0 + 3)
    assert not lane.state.unlimited, "refusals that are not rare concern the lane"


@pytest.mark.parametrize(("is_used_up", "is_held"), [(False, False), (True, True)])
def test_where_a_limit_is_known_the_lane_is_closed_when_it_is_used_up(is_used_up: bool, is_held: bool) -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(answered=50, succeeded=50, rpm=600, rpm_remaining=500), UNKNOWN, T0)
    closed: dict[str, Any] = (
        {"rpm": 600, "rpm_remaining": 0, "closed_window": "requests", "closed_for": 20.0} if is_used_up else {}
    )
    lane.learn(CapacityReport(answered=1, rejection_kind="requests", retry_after=20.0, **closed), UNKNOWN, T0)
    assert (lane.state.not_before > T0) is is_held


def closed_lane() -> UpstreamCapacity:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(answered=1, rejection_kind="requests", retry_after=3600.0), UNKNOWN, T0)
    return lane


def test_a_long_wait_is_looked_at_by_one_request_in_thirty_seconds() -> None:
    lane = closed_lane()
    granted = [
        second
        for second in range(100)
        if isinstance(lane.enter(queue_entry(f"r{second}", patience=60.0), UNKNOWN, T0 + second), Granted)
    ]
    assert granted == [30, 60, 90]


def test_a_request_that_waits_looks_too() -> None:
    lane = closed_lane()
    assert isinstance(lane.enter(queue_entry("r1"), UNKNOWN, T0), Queued)
    assert isinstance(lane.enter(queue_entry("r2"), UNKNOWN, T0), Queued)
    assert lane.dispatch(UNKNOWN, T0 + 29, always_alive)[0] == []
    assert len(lane.dispatch(UNKNOWN, T0 + 31, always_alive)[0]) == 1


def test_the_look_that_succeeds_opens_the_lane() -> None:
    lane = closed_lane()
    lane.learn(CapacityReport(answered=1, succeeded=1, age=2.0), UNKNOWN, T0 + 1)
    assert lane.state.not_before > T0 + 3000, "it was sent before the refusal"
    lane.learn(CapacityReport(answered=1, succeeded=1, age=0.5), UNKNOWN, T0 + 31)
    assert isinstance(lane.enter(queue_entry("r1"), UNKNOWN, T0 + 31), Granted)

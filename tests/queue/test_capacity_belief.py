"""The estimate is raised when an upstream keeps reporting that far more remains, and nothing contradicts it."""

import pytest

from tidegate.queue.capacity import UpstreamCapacity
from tidegate.queue.messages import CapacityReport, LaneLimits, QueueEntry

T0 = 1_790_000_000.0
UNKNOWN = LaneLimits()


def drained() -> UpstreamCapacity:
    """Return a lane whose upstream has reported that nothing remains."""
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=600, rpm_remaining=0), UNKNOWN, T0)
    return lane


def keeps_saying(left: int, seconds: float, *, age: float = 0.05, limits: LaneLimits = UNKNOWN) -> UpstreamCapacity:
    """Return a lane with an empty estimate, whose upstream reports every half second that this much remains."""
    lane = drained()
    for half in range(1, int(2 * seconds) + 1):
        lane.learn(CapacityReport(rpm=600, rpm_remaining=left, age=age), limits, T0 + half / 2)
    return lane


def test_an_upstream_that_keeps_saying_that_far_more_is_left_is_believed_but_for_a_tenth() -> None:
    lane = keeps_saying(599, 4)
    assert lane.state.full_at[0] == pytest.approx(T0 + 4 + 60 * (600 - (599 - 60)) / 600, abs=0.5)


@pytest.mark.parametrize(
    ("why", "lane"),
    [
        ("it said so for a moment", keeps_saying(599, 1)),
        ("that was when the call was sent", keeps_saying(599, 4, age=5.0)),
        ("a limit is configured", keeps_saying(599, 4, limits=LaneLimits(rpm=600))),
        ("a tenth is no difference", keeps_saying(60, 4)),
    ],
)
def test_the_estimate_is_not_raised_where(why: str, lane: UpstreamCapacity) -> None:
    assert lane.state.full_at[0] >= T0 + 60, why


def test_the_estimate_is_not_raised_after_a_429() -> None:
    lane = drained()
    lane.learn(CapacityReport(rejection_kind="requests", retry_after=0.0), UNKNOWN, T0)
    for second in range(1, 6):
        lane.learn(CapacityReport(rpm=600, rpm_remaining=599), UNKNOWN, T0 + second)
    assert lane.state.full_at[0] >= T0 + 59


def test_unanswered_requests_are_subtracted_from_the_remainder() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=600, rpm_remaining=600, tpm=60_000, tpm_remaining=60_000, succeeded=600), UNKNOWN, T0)
    for number in range(500):
        lane.enter(
            QueueEntry(member=f"p:{number}", tokens=100, flow="harbour", weight=4, deadline=T0 + 1e6), UNKNOWN, T0
        )
    for second in range(1, 6):
        lane.learn(CapacityReport(rpm=600, rpm_remaining=600, tpm=60_000, tpm_remaining=60_000), UNKNOWN, T0 + second)
    assert lane.state.full_at == pytest.approx([T0 + 50, T0 + 50], abs=0.5)

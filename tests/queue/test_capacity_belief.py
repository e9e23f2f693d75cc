"""An upstream that keeps saying that far more is left than was thought is believed, where nothing speaks against it."""

import pytest

from tidegate.queue.capacity import UpstreamCapacity
from tidegate.queue.messages import CapacityReport, LaneLimits, QueueEntry

T0 = 1_790_000_000.0
UNKNOWN = LaneLimits()


def drained() -> UpstreamCapacity:
    """A lane whose upstream has said that nothing is left."""
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=600, rpm_remaining=0), UNKNOWN, T0)
    return lane


def keeps_saying(left: int, seconds: float, *, age: float = 0.05, terms: LaneLimits = UNKNOWN) -> UpstreamCapacity:
    """A lane whose bucket is taken for empty, while the upstream says, each half a second, that so much is left."""
    lane = drained()
    for half in range(1, int(2 * seconds) + 1):
        lane.learn(CapacityReport(rpm=600, rpm_remaining=left, age=age), terms, T0 + half / 2)
    return lane


def test_an_upstream_that_keeps_saying_that_far_more_is_left_is_believed_but_for_a_tenth() -> None:
    lane = keeps_saying(599, 4)
    assert lane.state.full_at[0] == pytest.approx(T0 + 4 + 60 * (600 - (599 - 60)) / 600, abs=0.5)


@pytest.mark.parametrize(
    ("why", "lane"),
    [
        ("it said so for a moment", keeps_saying(599, 1)),
        ("that was when the call was sent", keeps_saying(599, 4, age=5.0)),
        ("a limit is configured", keeps_saying(599, 4, terms=LaneLimits(rpm=600))),
        ("a tenth is no difference", keeps_saying(60, 4)),
    ],
)
def test_it_is_not_believed_where(why: str, lane: UpstreamCapacity) -> None:
    assert lane.state.full_at[0] >= T0 + 60, why


def test_it_is_not_believed_once_it_has_refused() -> None:
    lane = drained()
    lane.learn(CapacityReport(rejection_kind="requests", retry_after=0.0), UNKNOWN, T0)
    for second in range(1, 6):
        lane.learn(CapacityReport(rpm=600, rpm_remaining=599), UNKNOWN, T0 + second)
    assert lane.state.full_at[0] >= T0 + 59


def test_calls_that_are_under_way_may_all_be_uncounted_yet() -> None:
    lane = UpstreamCapacity()
    lane.learn(CapacityReport(rpm=600, rpm_remaining=600, tpm=60_000, tpm_remaining=60_000, succeeded=600), UNKNOWN, T0)
    for number in range(500):
        lane.enter(
            QueueEntry(member=f"p:{number}", tokens=100, flow="harbour", weight=4, deadline=T0 + 1e6), UNKNOWN, T0
        )
    for second in range(1, 6):
        lane.learn(CapacityReport(rpm=600, rpm_remaining=600, tpm=60_000, tpm_remaining=60_000), UNKNOWN, T0 + second)
    assert lane.state.full_at == pytest.approx([T0 + 50, T0 + 50], abs=0.5)

"""Decisions are distinguished by type, compared by value, and cannot be changed."""

import pytest

from tidegate.limits.decision import CacheHit, Decision, JoinFlight, RemainingLimits, SendUpstream

FREE = RemainingLimits()
HIT = CacheHit(remaining_limits=FREE, stored_at=1.0, head=b"h", body=b"b", account=b"{}", fresh_until=2.0)


def go(*, claimed: bool) -> SendUpstream:
    return SendUpstream(remaining_limits=FREE, claimed=claimed, dataset_id="")


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (HIT, CacheHit(remaining_limits=FREE, stored_at=1.0, head=b"h", body=b"b", account=b"{}", fresh_until=2.0)),
        (
            JoinFlight(remaining_limits=FREE, owner="p:r", dataset_id=""),
            JoinFlight(remaining_limits=FREE, owner="p:r", dataset_id=""),
        ),
        (go(claimed=True), go(claimed=True)),
    ],
)
def test_equal_decisions_are_equal(one: Decision, same: Decision) -> None:
    assert one == same


def test_a_flight_that_was_claimed_is_another_decision_than_one_that_was_not() -> None:
    assert go(claimed=True) != go(claimed=False)


def test_a_decision_stands() -> None:
    with pytest.raises(AttributeError):
        HIT.stored_at = 2.0  # type: ignore[misc]  # that is what is shown here

"""What the gate decides is told apart by type and compared by value, and cannot be changed afterwards."""

import pytest

from tidegate.limits.decision import Allowance, Decision, Go, Hit, Join

FREE = Allowance()
HIT = Hit(allowance=FREE, at=1.0, head=b"h", body=b"b", account=b"{}")


def go(*, claimed: bool) -> Go:
    return Go(allowance=FREE, claimed=claimed, memory="")


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (HIT, Hit(allowance=FREE, at=1.0, head=b"h", body=b"b", account=b"{}")),
        (Join(allowance=FREE, owner="p:r", memory=""), Join(allowance=FREE, owner="p:r", memory="")),
        (go(claimed=True), go(claimed=True)),
    ],
)
def test_equal_decisions_are_equal(one: Decision, same: Decision) -> None:
    assert one == same


def test_a_flight_that_was_claimed_is_another_decision_than_one_that_was_not() -> None:
    assert go(claimed=True) != go(claimed=False)


def test_a_decision_stands() -> None:
    with pytest.raises(AttributeError):
        HIT.at = 2.0  # type: ignore[misc]  # that is what is shown here

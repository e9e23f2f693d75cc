"""Positions are ordered as lists are, and each lies between the two ends."""

import pytest

from tidegate.ownership.owned_object import FIRST_POSITION, LAST_POSITION, ListPosition


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (ListPosition(1.0, 9), ListPosition(2.0, 1)),
        (ListPosition(1.0, 1), ListPosition(1.0, 2)),
        (FIRST_POSITION, ListPosition(-1e12, -5)),
        (ListPosition(1e12, 2**62), LAST_POSITION),
    ],
)
def test_the_time_comes_before_the_order_of_the_records(earlier: ListPosition, later: ListPosition) -> None:
    assert earlier < later

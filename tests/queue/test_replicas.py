"""Replicas that enforce their shares separately stay within a limit together, unless it is less than one each."""

import pytest

from tidegate.queue.replicas import Replicas


@pytest.mark.parametrize(
    ("count", "limit", "share"),
    [(1, 9, 9), (3, 9, 3), (3, 10, 3), (3, 2, 1), (3, 0, 0), (0, 9, 9)],
)
def test_the_share_of_a_limit(count: int, limit: int, share: int) -> None:
    known = Replicas()
    known.set_count(count)
    assert known.share(limit) == share

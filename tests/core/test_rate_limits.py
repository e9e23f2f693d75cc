"""An answer that says nothing of limits is told from one that does."""

import pytest

from tidegate.core.rate_limits import Allowance, Said


@pytest.mark.parametrize(
    ("said", "nothing"),
    [
        (Said(), True),
        (Said(requests=Allowance(), tokens=Allowance()), True),
        (Said(requests=Allowance(limit=600)), False),
        (Said(tokens=Allowance(limit=30_000, left=0)), False),
        (Said(shut="requests", shut_for=7.0), False),
    ],
)
def test_whether_anything_was_said(said: Said, nothing: bool) -> None:
    assert said.nothing is nothing

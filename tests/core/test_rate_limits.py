"""An answer that says nothing of limits is told from one that does."""

import pytest

from tidegate.core.rate_limits import ReportedLimit, ReportedLimits


@pytest.mark.parametrize(
    ("said", "nothing"),
    [
        (ReportedLimits(), True),
        (ReportedLimits(requests=ReportedLimit(), tokens=ReportedLimit()), True),
        (ReportedLimits(requests=ReportedLimit(limit=600)), False),
        (ReportedLimits(tokens=ReportedLimit(limit=30_000, remaining=0)), False),
        (ReportedLimits(exhausted="requests", reset_seconds=7.0), False),
    ],
)
def test_whether_anything_was_said(said: ReportedLimits, nothing: bool) -> None:
    assert said.is_empty is nothing

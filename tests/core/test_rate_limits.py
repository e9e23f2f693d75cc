"""Reported limits are empty if the answer reports none."""

import pytest

from tidegate.core.rate_limits import ReportedLimit, ReportedLimits


@pytest.mark.parametrize(
    ("limits", "is_empty"),
    [
        (ReportedLimits(), True),
        (ReportedLimits(requests=ReportedLimit(), tokens=ReportedLimit()), True),
        (ReportedLimits(requests=ReportedLimit(limit=600)), False),
        (ReportedLimits(tokens=ReportedLimit(limit=30_000, remaining=0)), False),
        (ReportedLimits(exhausted="requests", reset_seconds=7.0), False),
    ],
)
def test_limits_are_empty_without_a_report(limits: ReportedLimits, is_empty: bool) -> None:
    assert limits.is_empty is is_empty

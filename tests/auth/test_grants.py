"""A change contains only the columns it changes, and a row returns the limits."""

import msgspec
import pytest

from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange, limits_of, priority_of
from tidegate.core.values import Limits, Priority


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        (KeyChange(), {}),
        (KeyChange(name="web", expires_at=None), {}),
        (KeyChange(limits=LimitsChange(rpm=60, tpm=None)), {"rpm": 60, "tpm": None}),
        (KeyChange(limits=LimitsChange(budget_day=5)), {"budget_day_nanos": 5}),
        (KeyChange(priority=Priority.HIGH, models=("a", "b")), {"priority": "high", "models": ["a", "b"]}),
        (KeyChange(priority=None, models=()), {"priority": None, "models": None}),
        (ProjectChange(), {}),
        (ProjectChange(limits=LimitsChange(rpd=1), user_limits=LimitsChange(rpd=2)), {"rpd": 1, "user_rpd": 2}),
        (ProjectChange(user_limits=LimitsChange(budget_month=7)), {"user_budget_month_nanos": 7}),
        (ProjectChange(priority=Priority.LOW), {"priority": "low"}),
        (ProjectChange(retention_days=30), {"retention_days": 30}),
        (ProjectChange(retention_days=None), {"retention_days": None}),
    ],
)
def test_a_change_contains_the_columns_it_changes(
    change: KeyChange | ProjectChange, columns: dict[str, object]
) -> None:
    assert msgspec.json.decode(change.columns()) == columns


def test_a_row_gives_limits_and_priority() -> None:
    row = {
        "user_rpm": 1,
        "user_rpd": 2,
        "user_tpm": 3,
        "user_concurrency": 4,
        "user_budget_day_nanos": 5,
        "user_budget_week_nanos": 6,
        "user_budget_month_nanos": None,
        "priority": "high",
    }
    assert limits_of(row, "user_") == Limits(rpm=1, rpd=2, tpm=3, concurrency=4, budget_day=5, budget_week=6)
    assert priority_of(row) is Priority.HIGH
    assert priority_of({"priority": None}) is None

"""Budgets are never negative, and become limits in nano-dollars."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.budgets import BudgetsConfig
from tidegate.core.values import Limits


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("limit_usd_per_day", -1),
        ("limit_usd_per_week", -1),
        ("limit_usd_per_month", -1),
        ("lease_seconds", 0),
        ("rebuild_after_seconds", 0),
    ],
)
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        BudgetsConfig.model_validate({key: value})


def test_the_limits_apply_to_the_whole_deployment() -> None:
    assert BudgetsConfig().deployment_limits == Limits()
    budgets = BudgetsConfig.model_validate({"limit_usd_per_day": "1.5", "limit_usd_per_month": 20})
    assert budgets.deployment_limits == Limits(budget_day=1_500_000_000, budget_month=20_000_000_000)

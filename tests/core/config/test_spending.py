"""Money is never negative, and becomes limits in nano-dollars."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.section import Section
from tidegate.core.config.spending import BudgetsConfig, ModelPrice
from tidegate.core.values import Limits


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (BudgetsConfig, "stop_usd_per_day", -1),
        (BudgetsConfig, "lease_seconds", 0),
        (ModelPrice, "input", -1),
    ],
)
def test_a_figure_that_makes_no_sense_is_refused(section: type[Section], key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        section.model_validate({key: value})


def test_the_stops_are_limits_of_everybody() -> None:
    assert BudgetsConfig().deployment_limits == Limits()
    budgets = BudgetsConfig.model_validate({"stop_usd_per_day": "1.5", "stop_usd_per_month": 20})
    assert budgets.deployment_limits == Limits(budget_day=1_500_000_000, budget_month=20_000_000_000)

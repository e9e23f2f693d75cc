"""An operator learns which models a budget cannot pay once, with what a call holds where it states no output limit."""

from typing import Any

import pytest

from tidegate.core.config import BudgetsConfig, MeteringConfig, RouteConfig
from tidegate.core.values import Limits
from tidegate.metering import price_list
from tidegate.metering.prices import Prices
from tidegate.pipeline.call_cost import BudgetCheck, CallCosts
from tidegate.routing.routes import Routes

AT = 1_795_780_800.0
PRICES = price_list.load()
ROUTE = RouteConfig.model_validate({"targets": [{"provider": "openai", "model": "gpt-5-pro"}]})


def told(budgets: Limits, *models: str, **configured: Any) -> list[str]:
    metering = MeteringConfig.model_validate({"prices": {"own": {"input": 1, "output": 100}}})
    check = BudgetCheck(
        CallCosts(Prices(metering, PRICES), BudgetsConfig(**configured)),
        Routes({"smart": ROUTE}, stale_seconds=0),
        models=("gpt-4o-mini", "smart"),
    )
    return check.warnings(budgets, models=models, at=AT)


@pytest.mark.parametrize(
    ("limits", "models", "configured", "expected"),
    [
        (Limits(), (), {}, []),
        (Limits(budget_day=10**9), (), {}, []),
        (Limits(rpm=5, budget_month=10**9), ("gpt-5.6-sol",), {}, []),
        (Limits(budget_day=10_000_000), ("own",), {},
         ["The budget of $0.01 per day cannot pay one short question to own ($0.02"]),
        (Limits(budget_day=10_000_000), (), {},
         ["The budget of $0.01 per day cannot pay one short question to smart ($0.03"]),
        (Limits(budget_day=10**9), ("own",), {"assumed_output_tokens": 20_000},
         ["The budget of $1.00 per day cannot pay one short question to own ($2.00"]),
        (Limits(budget_day=0, budget_month=0), ("own",), {},
         ["The budget of $0.00 per day", "The budget of $0.00 per month"]),
    ],
)  # fmt: skip
def test_each_budget_says_what_it_cannot_pay(
    limits: Limits, models: tuple[str, ...], configured: dict[str, Any], expected: list[str]
) -> None:
    found = told(limits, *models, **configured)
    assert [warning.startswith(begin) for warning, begin in zip(found, expected, strict=True)] == [True] * len(expected)

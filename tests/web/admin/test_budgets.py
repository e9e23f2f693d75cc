"""Budgets are listed in exact dollars over the admin API."""

from tests.web.api_client import ApiClient
from tidegate.limits.budget_report import Budget
from tidegate.web.admin.budgets import BudgetView


async def test_budgets_are_listed(api_client: ApiClient) -> None:
    await api_client.create_key(limits={"budget_day_usd": "2.00"})
    budgets = await api_client.get("/budgets")
    assert [(line["kind"], line["period"], line["budget_usd"]) for line in budgets["data"]] == [
        ("all", "day", "1.00"),
        ("all", "month", None),
        ("key", "day", "2.00"),
    ]


def test_a_budget_is_shown_in_dollars() -> None:
    budget = Budget(scope="all", kind="all", period="day", spent=1, reserved=2 * 10**9, budget=None, renews_at=9.0)
    shown = BudgetView.of(budget)
    assert (shown.spent_usd, shown.reserved_usd, shown.budget_usd, shown.used_ratio) == (
        "0.000000001",
        "2.00",
        None,
        None,
    )


async def test_the_budgets_of_a_tag_are_set(api_client: ApiClient) -> None:
    await api_client.create_key()
    project = (await api_client.get("/keys"))["data"][-1]["project"]
    body = {"project": project, "tag": "tenant=acme", "budget_day_usd": "1.50"}
    shown = await api_client.send("PUT", "/budgets/tags", body)
    assert shown.json == {**body, "budget_week_usd": None, "budget_month_usd": None, "is_counted": True}
    listed = (await api_client.get("/budgets"))["data"]
    assert [(line["tag"], line["budget_usd"]) for line in listed if line["kind"] == "tag"] == [("tenant=acme", "1.50")]
    await api_client.send("PUT", "/budgets/tags", {**body, "budget_day_usd": None})
    assert [line for line in (await api_client.get("/budgets"))["data"] if line["kind"] == "tag"] == []

"""`tidegate budgets show` shows what is spent of each budget, exactly, and says so if Redis has lost data."""

import json
from datetime import UTC, datetime

import pytest
import redis

from tests.cli.conftest import Tidegate
from tidegate.cli.commands.budgets import nearly_used_lines
from tidegate.limits.budget_report import Budget


@pytest.fixture
def key(tidegate: Tidegate, redis_url: str, redis_prefix: str) -> str:
    """A key with a daily dollar, a quarter of it spent and a quarter reserved."""
    made = json.loads(
        tidegate("keys", "create", "--project", "shop", "--name", "web", "--budget-day", "1.00", "--json").output
    )
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    with redis.Redis.from_url(redis_url) as client:
        for kind in ("spent", "held"):
            client.set(f"{{{redis_prefix}}}:{kind}:key/{made['id']}:{today}", 250_000_000)
    return str(made["id"])


def test_a_table_is_for_people(tidegate: Tidegate, key: str) -> None:
    shown = tidegate("budgets", "show")
    assert shown.exit_code == 0, shown.output
    (line,) = [line for line in shown.output.splitlines() if key in line]
    assert [word for word in line.split() if word[0].isdigit()][:3] == ["0.25", "0.25", "1.00"]
    assert "50%" in line
    assert "the whole deployment" in shown.output
    assert "Redis is new or lost its data" in shown.output


def test_json_is_for_programs(tidegate: Tidegate, key: str) -> None:
    page = json.loads(tidegate("budgets", "show", "--project", "shop", "--json").output)
    (line,) = page["data"]
    assert (line["key_id"], line["name"], line["spent_usd"], line["used_ratio"]) == (key, "web", "0.25", 0.5)
    assert (page["is_complete"], page["has_more"]) == (False, False)


def test_the_deployments_limit_comes_from_the_configuration(tidegate: Tidegate) -> None:
    page = json.loads(tidegate("budgets", "show", "--json", TIDEGATE_BUDGETS__LIMIT_USD_PER_DAY="12.50").output)
    assert [(line["kind"], line["budget_usd"]) for line in page["data"]] == [("all", "12.50"), ("all", None)]


def test_without_budgets_it_says_how_to_set_one(tidegate: Tidegate) -> None:
    assert "tidegate projects update" in tidegate("budgets", "show", "--project", "nobody").output


def test_without_redis_it_is_one_sentence(tidegate: Tidegate) -> None:
    result = tidegate("budgets", "show", TIDEGATE_REDIS_URL="redis://127.0.0.1:1")
    assert (result.exit_code, result.stderr.startswith("Redis did not answer")) == (75, True)
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("key")
def test_the_budgets_of_a_tag_are_set(tidegate: Tidegate) -> None:
    tag = ("--project", "shop", "--tag", "tenant=acme")
    done = tidegate("budgets", "set", *tag, "--budget-day", "1.50")
    assert done.exit_code == 0, done.output
    assert "Tag tenant=acme of project shop: budget $1.50/day." in done.output
    shown = json.loads(tidegate("budgets", "set", *tag, "--budget-month", "9", "--json").output)
    assert (shown["budget_day_usd"], shown["budget_month_usd"], shown["is_counted"]) == ("1.50", "9.00", True)
    assert "tag tenant=acme of shop" in tidegate("budgets", "show").output
    tidegate("budgets", "set", *tag, "--budget-day", "none", "--budget-month", "none")
    assert "tag tenant=acme" not in tidegate("budgets", "show").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--project", "shop", "--tag", "tenant", "--budget-day", "1"), "it has no value"),
        (("--project", "shop", "--tag", "tenant=acme"), "nothing to change"),
        (("--project", "nobody", "--tag", "tenant=acme", "--budget-day", "1"), "There is no project nobody"),
    ],
)
def test_a_budget_that_cannot_be_set_is_told(tidegate: Tidegate, arguments: tuple[str, ...], words: str) -> None:
    result = tidegate("budgets", "set", *arguments)
    assert result.exit_code != 0
    assert words in " ".join(result.output.split())


def test_a_budget_of_which_eighty_percent_is_spent_is_named() -> None:
    amounts = [(799_999_999, 10**9), (800_000_000, 10**9), (10**9, None), (0, 0)]
    budgets = [
        Budget(
            scope="project/shop",
            kind="project",
            project="shop",
            period="day",
            spent=spent,
            reserved=10**9,
            budget=budget,
            renews_at=0.0,
        )
        for spent, budget in amounts
    ]
    assert list(nearly_used_lines(budgets)) == [
        "The budget of project shop is nearly used: $0.80 of $1.00 per day is spent.",
        "The budget of project shop is nearly used: $0.00 of $0.00 per day is spent.",
    ]

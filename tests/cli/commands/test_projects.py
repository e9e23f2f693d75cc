"""`tidegate projects` shows and changes what all keys of a project share."""

import json

import pytest

from tests.cli.conftest import Tidegate


@pytest.fixture(autouse=True)
def shop(tidegate: Tidegate) -> None:
    tidegate("keys", "create", "--project", "shop")


def test_a_project_is_changed_and_shown(tidegate: Tidegate) -> None:
    changed = tidegate(
        "projects", "update", "shop", "--rpm", "600", "--budget-day", "1.00", "--user-tpm", "5", "--priority", "low"
    )
    assert changed.exit_code == 0, changed.output
    assert "priority low, limits 600 rpm, $1.00/day, limits of each end user 5 tpm" in changed.output
    assert "within a second" in changed.output
    assert tidegate("projects", "update", "shop", "--rpm", "none", "--user-budget-month", "0.000001").exit_code == 0
    shown = json.loads(tidegate("projects", "show", "shop", "--json").output)
    assert (shown["name"], shown["priority"]) == ("shop", "low")
    assert {name: value for name, value in shown["limits"].items() if value is not None} == {"budget_day_usd": "1.00"}
    assert shown["user_limits"]["budget_month_usd"] == "0.000001"
    assert json.loads(tidegate("projects", "list", "--json").output) == [shown]


def test_retention_is_set_and_taken_away(tidegate: Tidegate) -> None:
    changed = tidegate("projects", "update", "shop", "--retention-days", "30")
    assert "retention 30 days" in changed.output
    assert "keeps the retention it was stored with" in changed.output
    assert "30 days" in tidegate("projects", "list").output
    assert json.loads(tidegate("projects", "show", "shop", "--json").output)["retention_days"] == 30
    assert "for ever" in tidegate("projects", "update", "shop", "--retention-days", "none").output


def test_the_list_is_a_table_and_one_project_a_sentence(tidegate: Tidegate) -> None:
    tidegate("keys", "create", "--project", "[red]bank")
    listed = tidegate("projects", "list").output
    assert "shop" in listed
    assert "[red]bank" in listed, "a name is text and no markup"
    assert tidegate("projects", "show", "shop").output == (
        "Project shop: priority normal, limits -, limits of each end user -, retention for ever.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["show", "nobody"], 1, "There is no project nobody"),
        (["update", "nobody", "--rpm", "1"], 1, "There is no project nobody"),
        (["update", "shop"], 2, "nothing to change"),
        (["update", "shop", "--rpm", "x"], 2, "--rpm"),
        (["update", "shop", "--retention-days", "0"], 2, "--retention-days"),
        (["update", "shop", "--retention-days", "3651"], 2, "3650"),
        (["update", "shop", "--user-budget-day", "x"], 2, "--user-budget-day"),
        (["update", "shop", "--priority", "x"], 2, "high, normal, low"),
    ],
)
def test_mistakes_are_explained(tidegate: Tidegate, arguments: list[str], code: int, says: str) -> None:
    result = tidegate("projects", *arguments)
    assert (result.exit_code, says in result.output) == (code, True), result.output
    assert "Traceback" not in result.output


def test_without_redis_the_delay_is_said(tidegate: Tidegate) -> None:
    changed = tidegate("projects", "update", "shop", "--rpm", "1", TIDEGATE_REDIS_URL="redis://127.0.0.1:1")
    assert (changed.exit_code, "within 60 s" in changed.output) == (0, True)


def test_a_budget_of_each_end_user_that_cannot_pay_a_model_is_told(tidegate: Tidegate) -> None:
    changed = tidegate("projects", "update", "shop", "--user-budget-day", "0.001")
    assert changed.exit_code == 0
    assert "Warning: The budget of $0.001 per day cannot pay one short question to" in changed.output

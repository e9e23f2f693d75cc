"""`tidegate audit show` selects the acts that an operator looks for."""

import json

import pytest

from tests.cli.conftest import Tidegate


@pytest.mark.parametrize(
    ("arguments", "actions"),
    [
        ([], ["projects.update", "keys.create"]),
        (["--action", "keys"], ["keys.create"]),
        (["--about", "web"], ["keys.create"]),
        (["--actor", "someone else"], []),
        (["--outcome", "unknown"], []),
        (["--since", "1h"], ["projects.update", "keys.create"]),
        (["--until", "2026-01-01"], []),
        (["--limit", "1"], ["projects.update"]),
    ],
)
def test_acts_are_selected(tidegate: Tidegate, arguments: list[str], actions: list[str]) -> None:
    tidegate("keys", "create", "--project", "shop", "--name", "web")
    tidegate("projects", "update", "shop", "--rpm", "60")
    found = json.loads(tidegate("audit", "show", "--json", *arguments).stdout)
    assert [line["action"] for line in found] == actions


def test_where_there_is_none_it_says_so(tidegate: Tidegate) -> None:
    assert tidegate("audit", "show").output == "There is no such act.\n"

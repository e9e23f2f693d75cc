"""`tidegate conversations` searches and exports stored conversations."""

import json

import pytest

from tests.cli.conftest import Tidegate
from tests.cli.stored import store_samples
from tidegate.storage.embedded import StoreUrls


@pytest.fixture(autouse=True)
def shop(tidegate: Tidegate, clean_stores: StoreUrls) -> None:
    tidegate("keys", "create", "--project", "shop")
    store_samples(clean_stores)


def test_messages_are_found_by_their_words(tidegate: Tidegate) -> None:
    found = tidegate("conversations", "search", "tide")
    assert found.exit_code == 0, found.output
    assert "When is high »tide«, asks bob?" in found.output
    assert "[red]Which »tide«?" in found.output, "a message is text and no markup"
    printed = json.loads(tidegate("conversations", "search", "high tide", "--user", "ada", "--json").output)
    assert [(one["id"], one["excerpt"]) for one in printed] == [("msg_0", "When is **high** **tide**, asks ada?")]
    assert len(json.loads(tidegate("conversations", "search", "tide", "--limit", "1", "--json").output)) == 1
    assert "No stored message" in tidegate("conversations", "search", "tide", "--project", "bank").output
    assert "No stored message" in tidegate("conversations", "search", "tide", "--before", "2020-01-01").output


def test_a_project_or_a_user_is_exported(tidegate: Tidegate) -> None:
    whole = [json.loads(line) for line in tidegate("conversations", "export", "--project", "shop").output.splitlines()]
    assert [line["kind"] for line in whole].count("response") == 2
    asked = ("--project", "shop", "--user", "bob")
    one = [json.loads(line) for line in tidegate("conversations", "export", *asked).output.splitlines()]
    assert {line.get("end_user") for line in one} == {None, "bob"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["export", "--project", "nobody"], 1, "There is no project nobody"),
        (["search", "tide", "--before", "x"], 2, "x"),
        (["search", "tide", "--limit", "0"], 2, "--limit"),
    ],
)
def test_mistakes_are_explained(tidegate: Tidegate, arguments: list[str], code: int, says: str) -> None:
    result = tidegate("conversations", *arguments)
    assert (result.exit_code, says in result.output) == (code, True), result.output
    assert "Traceback" not in result.output

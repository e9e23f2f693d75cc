"""`tidegate users forget` shows what is stored, asks for confirmation, and erases."""

import json

import pytest

from tests.cli.conftest import Tidegate
from tests.cli.stored import store_samples
from tidegate.storage.embedded import StoreUrls

FOUND = {
    "conversations": 1,
    "responses": 1,
    "items": 2,
    "completions": 1,
    "ledger_lines": 0,
    "cached_answers": 0,
    "upstream_objects": 0,
    "semantic_questions": 0,
}


@pytest.fixture(autouse=True)
def shop(tidegate: Tidegate, clean_stores: StoreUrls) -> None:
    tidegate("keys", "create", "--project", "shop")
    store_samples(clean_stores)


def test_a_dry_run_shows_and_erases_nothing(tidegate: Tidegate) -> None:
    shown = tidegate("users", "forget", "shop", "ada", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert "stored completions" in shown.output
    assert "Nothing was erased" in shown.output
    printed = json.loads(tidegate("users", "forget", "shop", "ada", "--dry-run", "--json").output)
    assert printed == {"project": "shop", "end_user": "ada", "dry_run": True, **FOUND}


def test_a_script_must_confirm_with_yes(tidegate: Tidegate) -> None:
    refused = tidegate("users", "forget", "shop", "ada")
    assert (refused.exit_code, "--yes" in refused.output) == (1, True)
    done = tidegate("users", "forget", "shop", "ada", "--yes")
    assert done.exit_code == 0, done.output
    assert "Erased user ada from project shop: 4 records deleted, 0 ledger entries anonymized." in done.output
    assert (
        "Nothing is stored for user ada in project shop." in tidegate("users", "forget", "shop", "ada", "--yes").output
    )
    assert "asks bob" in tidegate("conversations", "search", "tide").output
    printed = json.loads(tidegate("users", "forget", "shop", "bob", "--yes", "--json").output)
    assert (printed["dry_run"], printed["responses"]) == (False, 1)


def test_an_unknown_project_is_said(tidegate: Tidegate) -> None:
    refused = tidegate("users", "forget", "nobody", "ada", "--yes")
    assert (refused.exit_code, "There is no project nobody" in refused.output) == (1, True)

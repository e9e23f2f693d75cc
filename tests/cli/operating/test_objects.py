"""`tidegate objects` shows whose an object is, and assigns one that has no owner."""

import json

import pytest

from tests.cli.conftest import Tidegate

FILE = "file-abc123"
KEY = {"OPENAI_API_KEY": "sk-test"}


@pytest.fixture(autouse=True)
def projects(tidegate: Tidegate) -> None:
    for name in ("shop", "bank"):
        tidegate("keys", "create", "--project", name)


def test_an_object_is_assigned_once(tidegate: Tidegate) -> None:
    assert "No object is on record." in tidegate("objects", "list").output
    done = tidegate("objects", "assign", "shop", FILE, **KEY)
    assert (done.exit_code, done.output) == (0, f"{FILE} (file) belongs to the project shop.\n")
    refused = tidegate("objects", "assign", "bank", FILE, **KEY)
    assert (refused.exit_code, "belongs to the project shop" in refused.output) == (1, True)
    (listed,) = json.loads(tidegate("objects", "list", "--json", "--project", "shop", "--kind", "file").output)
    assert (listed["id"], listed["kind"], listed["provider"], listed["credential"]) == (
        FILE,
        "file",
        "openai",
        "default",
    )
    assert FILE in tidegate("objects", "list").output
    assert "No object is on record." in tidegate("objects", "list", "--project", "bank").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody", FILE), "There is no project nobody"),
        (("shop", "17"), "Pass --kind"),
        (("shop", "file-" + "1" * 600, "--kind", "file"), "No object has such an id"),
        (("shop", FILE, "--provider", "none"), "There is no provider none"),
        (("shop", FILE, "--credential", "none"), "name the credential"),
    ],
)
def test_what_cannot_be_assigned_is_said(tidegate: Tidegate, arguments: tuple[str, ...], words: str) -> None:
    refused = tidegate("objects", "assign", *arguments, **KEY)
    assert refused.exit_code == 1
    assert words in refused.output
    assert "No object is on record." in tidegate("objects", "list").output

"""`tidegate upstream` shows targets and credentials, and suspends and resumes credentials."""

import json

from tests.cli.conftest import Tidegate


def test_what_is_configured_is_a_table(tidegate: Tidegate) -> None:
    shown = tidegate("upstream", "show")
    assert shown.exit_code == 0, shown.output
    rows = [line.split() for line in shown.output.splitlines() if "openai/" in line]
    assert rows == [["credential", "openai/default", "healthy", "-", "-", "-", "-"]]


def test_a_credential_is_suspended_and_resumed(tidegate: Tidegate) -> None:
    out = tidegate("upstream", "suspend", "openai/default")
    assert (out.exit_code, out.output) == (
        0, "openai/default is suspended. All replicas apply it within a second.\n"
    )  # fmt: skip
    (credential,) = json.loads(tidegate("upstream", "show", "--json").output)["credentials"]
    assert (credential["name"], credential["state"]) == ("openai/default", "suspended")
    back = json.loads(tidegate("upstream", "resume", "openai/default", "--json").output)
    assert (back["name"], back["state"]) == ("openai/default", "healthy")


def test_an_unknown_credential_is_one_sentence(tidegate: Tidegate) -> None:
    result = tidegate("upstream", "suspend", "openai/other")
    assert result.exit_code == 1
    assert result.stderr == "There is no credential 'openai/other'. There are: openai/default.\n"


def test_without_redis_it_is_one_sentence(tidegate: Tidegate) -> None:
    result = tidegate("upstream", "show", TIDEGATE_REDIS_URL="redis://127.0.0.1:1")
    assert (result.exit_code, result.stderr.startswith("Redis did not answer")) == (75, True)

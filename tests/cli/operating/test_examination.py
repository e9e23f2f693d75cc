"""`tidegate doctor` prints each finding with its remedy, the worst last, and exits with 0, 1 or 2."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Tidegate


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_an_unknown_variable_and_a_closed_port_are_found_together(tidegate: Tidegate) -> None:
    result = tidegate(
        "doctor", "--json",
        TIDEGATE_SERVER__PROT="80", TIDEGATE_UPSTREAM__BASE_URL="http://127.0.0.1:1/v1",
    )  # fmt: skip
    found = json.loads(result.stdout)
    wrong = {each["check"] for each in found["findings"] if each["verdict"] == "bad"}
    assert (result.exit_code, found["verdict"]) == (2, "bad")
    assert wrong >= {"unknown_variable", "upstream_connect"}


def test_a_person_reads_the_worst_last(tidegate: Tidegate) -> None:
    result = tidegate("doctor", TIDEGATE_UPSTREAM__BASE_URL="http://127.0.0.1:1/v1")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("good")
    assert lines[-1].startswith("bad")
    assert "Check base_url" in result.stdout


def test_a_configuration_that_cannot_be_used_is_a_finding(tidegate: Tidegate) -> None:
    result = tidegate("doctor", TIDEGATE_SERVER__PORT="many")
    assert (result.exit_code, "server.port" in result.stdout) == (2, True)

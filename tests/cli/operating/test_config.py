"""`tidegate config` needs no network and no store: it checks, and shows each value's origin."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tidegate.cli.application import application


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(application("config"), ["config", *arguments], env=environ)


@pytest.mark.parametrize(
    ("toml", "code", "words"),
    [
        ("", 0, "can be used"),
        ("[server]\nport = 1", 0, "can be used"),
        ('[upstream]\napi_key = "file:/not/here"', 0, "can be used"),
        ("[server]\nprot = 1", 78, "Did you mean port?"),
        ("[server]\nport = 'many'", 78, "server.port"),
        ("[server", 78, "not valid TOML"),
        ("[metering]\nprice_file = '/not/here'", 78, "/not/here"),
        ("[upstream]\nbase_url = 'http://127.0.0.1:8080/v1'", 78, "listens on"),
    ],
)
def test_a_configuration_is_checked(toml: str, code: int, words: str) -> None:
    Path("tidegate.toml").write_text(toml)
    result = run("check")
    assert (result.exit_code, words in result.output) == (code, True), result.output


def test_another_file_is_checked() -> None:
    Path("other.toml").write_text("[server]\nprot = 1")
    assert run("check", "other.toml").exit_code == 78
    assert run("check", "none.toml").exit_code == 78


def test_only_what_is_changed_is_shown() -> None:
    Path("tidegate.toml").write_text("[server]\nport = 9000\n")
    shown = json.loads(run("show", "--changed", "--json", TIDEGATE_LOG_LEVEL="error").stdout)
    assert [(each["setting"], each["value"], each["origin"]) for each in shown] == [
        ("log_level", "error", "TIDEGATE_LOG_LEVEL"), ("server.port", "9000", "tidegate.toml:2"),
    ]  # fmt: skip
    assert "tidegate.toml:2" in run("show").output

"""The command line lists its commands, says its version, and refuses what is no command in a few plain words."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tests.eventually import PATIENCE_SECONDS
from tidegate import __version__
from tidegate.cli.main import application

COMMANDS = {
    "run": (),
    "serve": (),
    "migrate": (),
    "usage": (),
    "simulate": (),
    "keys": ("create", "update", "list", "revoke"),
    "projects": ("list", "show", "update"),
    "budgets": ("show",),
    "queue": ("show", "jobs"),
    "upstream": ("show", "suspend", "resume"),
    "conversations": ("search", "export"),
    "users": ("forget",),
}


def test_the_version_is_said() -> None:
    assert CliRunner().invoke(application(), ["--version"]).output == f"tidegate {__version__}\n"


@pytest.mark.parametrize(("command", "below"), COMMANDS.items())
def test_every_command_explains_itself(command: str, below: tuple[str, ...]) -> None:
    assert command in CliRunner().invoke(application(), ["--help"]).output
    told = CliRunner().invoke(application(), [command, "--help"])
    assert told.exit_code == 0
    assert [name for name in below if name not in told.output] == []


@pytest.mark.parametrize(("command", "settings"), [("run", ("port",)), ("serve", ("port", "host", "workers"))])
def test_what_an_option_stands_for_in_the_configuration_is_said(command: str, settings: tuple[str, ...]) -> None:
    told = CliRunner().invoke(application(), [command, "--help"]).output
    assert [name for name in settings if f"server.{name}" not in told] == []


def test_a_command_that_is_none() -> None:
    command = [sys.executable, "-m", "tidegate", "swim"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert refused.returncode == 2
    assert "No such command 'swim'" in refused.stderr
    assert "Traceback" not in refused.stderr

"""The command line lists its commands, prints its version, rejects unknown commands, and mirrors the admin API."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.eventually import PATIENCE_SECONDS
from tidegate import __version__
from tidegate.cli.application import application

COMMANDS = {
    "run": (),
    "serve": (),
    "migrate": (),
    "usage": (),
    "simulate": (),
    "keys": ("create", "update", "list", "revoke"),
    "projects": ("list", "show", "update"),
    "budgets": ("show", "set"),
    "cache": ("purge",),
    "queue": ("show", "jobs"),
    "upstream": ("show", "suspend", "resume"),
    "alerts": ("show", "test", "mute", "unmute"),
    "conversations": ("search", "export"),
    "users": ("forget",),
    "calls": ("show", "tail"),
}

LOCAL = {"run", "serve", "migrate", "simulate"}
"""Commands that run or prepare a process: they administer nothing."""
ADMIN = Path(__file__).parents[2] / "tidegate" / "web" / "admin"


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(application(), ["--version"]).output == f"tidegate {__version__}\n"


@pytest.mark.parametrize(("command", "below"), COMMANDS.items())
def test_every_command_has_help(command: str, below: tuple[str, ...]) -> None:
    assert command in CliRunner().invoke(application(), ["--help"]).output
    result = CliRunner().invoke(application(), [command, "--help"])
    assert result.exit_code == 0
    assert [name for name in below if name not in result.output] == []


@pytest.mark.parametrize(("command", "settings"), [("run", ("port",)), ("serve", ("port", "host", "workers"))])
def test_help_names_the_setting_behind_an_option(command: str, settings: tuple[str, ...]) -> None:
    result = CliRunner().invoke(application(), [command, "--help"]).output
    assert [name for name in settings if f"server.{name}" not in result] == []


def test_an_unknown_command_is_rejected() -> None:
    command = [sys.executable, "-m", "tidegate", "swim"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert result.returncode == 2
    assert "No such command 'swim'" in result.stderr
    assert "Traceback" not in result.stderr


def test_each_administrative_command_has_its_module_in_the_admin_api() -> None:
    resources = {module.stem for module in ADMIN.glob("*.py")} - {"__init__", "access", "routes", "schemas", "metrics"}
    assert resources == set(COMMANDS) - LOCAL

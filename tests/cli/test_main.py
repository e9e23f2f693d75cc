"""The command line lists its commands and says its version."""

import pytest
from typer.testing import CliRunner

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
    "queue": ("show",),
}


def test_the_version_is_said() -> None:
    assert CliRunner().invoke(application(), ["--version"]).output == f"tidegate {__version__}\n"


@pytest.mark.parametrize(("command", "below"), COMMANDS.items())
def test_every_command_explains_itself(command: str, below: tuple[str, ...]) -> None:
    assert command in CliRunner().invoke(application(), ["--help"]).output
    told = CliRunner().invoke(application(), [command, "--help"])
    assert told.exit_code == 0
    assert [name for name in below if name not in told.output] == []

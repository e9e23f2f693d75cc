"""`tidegate` lists its commands, tells its version, and loads no more than a command needs."""

import subprocess
import sys

from tidegate import __version__


def tidegate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as a person does."""
    command = [sys.executable, "-m", "tidegate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_the_help_names_every_command() -> None:
    shown = tidegate("--help")
    assert shown.returncode == 0
    for command in ("run", "serve", "migrate", "usage", "simulate", "keys"):
        assert f" {command} " in shown.stdout


def test_the_version() -> None:
    assert tidegate("--version").stdout == f"tidegate {__version__}\n"


def test_a_command_that_is_none() -> None:
    refused = tidegate("swim")
    assert refused.returncode == 2
    assert "No such command 'swim'" in refused.stderr
    assert "Traceback" not in refused.stderr

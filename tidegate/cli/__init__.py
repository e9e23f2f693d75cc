"""The command line, `tidegate`: one module in `commands` for each command or group of commands."""

from tidegate.cli.main import main

__all__ = ["main"]

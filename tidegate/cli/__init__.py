"""The command line, `tidegate`: one module in `commands` for each command or group of commands."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command named by the process's arguments.

    `tidegate health` is run every few seconds in every container, so it does without the command line's libraries.
    """
    if sys.argv[1:] == ["health"]:
        from tidegate.cli.probe import main as run  # noqa: PLC0415  # see above
    else:
        from tidegate.cli.application import main as run  # noqa: PLC0415  # see above
    run()

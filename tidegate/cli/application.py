"""`tidegate`: registers the commands. Called by the console script and by `python -m tidegate`."""

import importlib
import sys
from typing import Annotated, Any

import typer

from tidegate import __version__
from tidegate.cli.acts import record_commands, recorded_command
from tidegate.core import logs

_COMMANDS = ("run", "serve", "health", "migrate", "prices", "doctor", "simulate")
_GROUPS = (
    "usage",
    "keys",
    "projects",
    "budgets",
    "cache",
    "queue",
    "conversations",
    "users",
    "upstream",
    "calls",
    "alerts",
    "deploy",
    "secrets",
    "audit",
    "config",
    "objects",
    "semantic",
)
"""Modules of `tidegate.cli.commands`. A command's function has its name, and a group's application `NAME_app`."""
_ELSEWHERE = {
    "alerts": "tidegate.cli.operating",
    "calls": "tidegate.cli.operating",
    "deploy": "tidegate.cli.operating",
    "doctor": "tidegate.cli.security",
    "secrets": "tidegate.cli.security",
    "audit": "tidegate.cli.operating",
    "config": "tidegate.cli.operating",
    "objects": "tidegate.cli.operating",
    "semantic": "tidegate.cli.operating",
}
"""The packages of other modules."""


def main() -> None:
    """Run the command named by the process's arguments."""
    logs.configure("error")  # commands print their own errors; `serve` and `run` configure logging themselves
    logs.log_uncaught()
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    application(name if name in _COMMANDS + _GROUPS else None)()


def application(only: str | None = None) -> typer.Typer:
    """Return the Typer application with every command, or with one, so that a process imports only what it runs."""
    app = typer.Typer(
        help="An OpenAI-compatible gateway with caching, cost accounting, rate limiting and failover.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name in _COMMANDS:
        if only in (None, name):
            app.command()(recorded_command(_part(name, name), name))
    for name in _GROUPS:
        if only in (None, name):
            group = _part(name, f"{name}_app")
            record_commands(group, name)
            app.add_typer(group, name=name)
    return app


def _part(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"{_ELSEWHERE.get(module, 'tidegate.cli.commands')}.{module}"), name)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[  # handled by its callback
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Accept the options that stand before a command."""

"""`tidegate`: the list of commands."""

from typing import Annotated

import typer

from tidegate import __version__
from tidegate.cli.commands.budgets import budgets_app
from tidegate.cli.commands.conversations import conversations_app
from tidegate.cli.commands.keys import keys_app
from tidegate.cli.commands.migrate import migrate
from tidegate.cli.commands.projects import projects_app
from tidegate.cli.commands.queue import queue_app
from tidegate.cli.commands.run import run
from tidegate.cli.commands.serve import serve
from tidegate.cli.commands.simulate import simulate
from tidegate.cli.commands.upstream import upstream_app
from tidegate.cli.commands.usage import usage
from tidegate.cli.commands.users import users_app
from tidegate.core import logs


def main() -> None:
    """Run the command that the arguments name."""
    logs.configure("error")  # a command says itself what went wrong; `serve` and `run` configure their own
    application()()


def application() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        help="OpenAI's own API, in front of OpenAI: cached, accounted, surviving.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for command in (run, serve, migrate, usage, simulate):
        app.command()(command)
    groups = {
        "keys": keys_app,
        "projects": projects_app,
        "budgets": budgets_app,
        "queue": queue_app,
        "conversations": conversations_app,
        "users": users_app,
        "upstream": upstream_app,
    }
    for name, group in groups.items():
        app.add_typer(group, name=name)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[  # its callback has answered it
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options before any command."""

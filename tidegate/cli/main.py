"""`tidegate`: registers the commands. Called by the console script and by `python -m tidegate`."""

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
    """Run the command named by the process's arguments."""
    logs.configure("error")  # commands print their own errors; `serve` and `run` configure logging themselves
    application()()


def application() -> typer.Typer:
    """Return the Typer application with every command."""
    app = typer.Typer(
        help="An OpenAI-compatible gateway with caching, cost accounting, rate limiting and failover.",
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

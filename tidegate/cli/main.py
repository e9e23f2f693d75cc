"""`tidegate`: the list of commands."""

from typing import Annotated

import typer

from tidegate import __version__
from tidegate.cli.budgets import budgets_app
from tidegate.cli.keys import keys_app
from tidegate.cli.migrate import migrate
from tidegate.cli.projects import projects_app
from tidegate.cli.queue import queue_app
from tidegate.cli.run import run
from tidegate.cli.serve import serve
from tidegate.cli.simulate import simulate
from tidegate.cli.usage import usage


def main() -> None:
    """Run the command that the arguments name."""
    app = typer.Typer(
        help="OpenAI's own API, in front of OpenAI: cached, accounted, surviving.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for command in (run, serve, migrate, usage, simulate):
        app.command()(command)
    groups = {"keys": keys_app, "projects": projects_app, "budgets": budgets_app, "queue": queue_app}
    for name, group in groups.items():
        app.add_typer(group, name=name)
    app()


def _options(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version and stop.")] = False,
) -> None:
    if version:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit

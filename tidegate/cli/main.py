"""`tidegate`: the list of commands."""

from typing import Annotated

import typer

from tidegate import __version__
from tidegate.cli.keys import keys_app
from tidegate.cli.migrate import migrate
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
    app.add_typer(keys_app, name="keys")
    app()


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_tell_version,
            help="Print the version and stop.",
        ),
    ] = False,
) -> None:
    """What applies to all commands."""

"""`tidegate health`: tell whether the gateway beside this command can answer."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.probe import configured_address, problem_of


def health(
    port: Annotated[int | None, typer.Option(help="Port of the gateway (`server.port`).")] = None,
    host: Annotated[str | None, typer.Option(help="Address of the gateway (`server.host`).")] = None,
) -> None:
    """Ask the gateway whether it can answer: exit with 0 if it can, else with 1. For a container's HEALTHCHECK."""
    configured_host, configured_port = configured_address(os.environ, Path())
    problem = problem_of(host or configured_host, port or configured_port)
    if problem is not None:
        typer.secho(problem, err=True, fg=typer.colors.RED)
        raise typer.Exit(1)
    typer.echo("ok")

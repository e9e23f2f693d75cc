"""`tidegate cache`: purge stored answers. The same over HTTP: web/admin/cache.py."""

from typing import Annotated

import typer

from tidegate.cache.purge import PurgeSelection
from tidegate.cli.context import print_json, run_with_context
from tidegate.cli.stores import Needs
from tidegate.core.errors import InvalidParameter
from tidegate.web.admin.cache import CachePurgeView

cache_app = typer.Typer(no_args_is_help=True, help="Purge stored answers.")


@cache_app.callback()
def _cache() -> None:
    """Keep the group although it has one command."""


@cache_app.command()
def purge(
    *,
    request: Annotated[
        str | None, typer.Option(metavar="REQ_ID", help="The answer that the call with this `x-request-id` stored.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The answers of this model, as callers name it.")] = None,
    project: Annotated[
        str | None, typer.Option(help="The answers of this project; may be joined with `--model`.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All answers of all projects.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Remove stored answers before they expire. A call in progress stores no answer that this selects."""
    try:
        selection = PurgeSelection.of(project=project, model=model, request_id=request, everything=everything)
    except InvalidParameter as error:
        raise typer.BadParameter(error.message) from error
    removed = run_with_context(Needs.REDIS, lambda context: context.answers.purge(selection))
    if as_json:
        print_json(CachePurgeView(removed=removed))
    else:
        typer.echo(f"Removed {removed:,} stored answer{'' if removed == 1 else 's'}.")

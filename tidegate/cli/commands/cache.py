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
def purge(  # noqa: PLR0913  # a parameter for each way to name answers
    *,
    request: Annotated[
        str | None, typer.Option(metavar="REQ_ID", help="The answer that the call with this `x-request-id` stored.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The answers of this model, as callers name it.")] = None,
    project: Annotated[
        str | None, typer.Option(help="The answers of this project; may be joined with `--model`.")
    ] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="ANSWER_ID", help="The answer with this `x-tidegate-answer-id`.")
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(metavar="SCOPE", help="A scope of the semantic cache: answers and questions."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All answers of all projects.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Remove stored answers before they expire. A call in progress stores no answer that this selects."""
    if answer is not None or scope is not None:
        others = (request, model, project, everything or None, answer if scope is not None else None)
        if any(other is not None for other in others):
            raise typer.BadParameter("Nothing was purged: name an answer alone, or a scope alone.")
        _print_removed(_purge_semantic(answer, scope), as_json=as_json)
        return
    try:
        selection = PurgeSelection.of(project=project, model=model, request_id=request, everything=everything)
    except InvalidParameter as error:
        raise typer.BadParameter(error.message) from error
    removed = run_with_context(Needs.REDIS, lambda context: context.answers.purge(selection))
    _print_removed(removed, as_json=as_json)


def _purge_semantic(answer: str | None, scope: str | None) -> int:
    if scope is not None:
        return run_with_context(Needs.BOTH, lambda context: context.scopes.purge(scope))
    return run_with_context(Needs.REDIS, lambda context: context.answers.purge_answer(answer or ""))


def _print_removed(removed: int, *, as_json: bool) -> None:
    if as_json:
        print_json(CachePurgeView(removed=removed))
    else:
        typer.echo(f"Removed {removed:,} stored answer{'' if removed == 1 else 's'}.")

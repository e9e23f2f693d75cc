"""`tidegate conversations`: search and export stored data. The same over HTTP: web/admin/conversations.py."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.cli.call_options import parse_time
from tidegate.cli.context import CommandContext, command_error, print_json, print_table, run_with_context
from tidegate.cli.stores import Needs
from tidegate.conversations.storage.search import MATCH_END, MATCH_START, SearchHit, SearchQuery
from tidegate.core.clock import SystemClock
from tidegate.web.admin.conversations import MAX_RESULTS, MessageView

conversations_app = typer.Typer(no_args_is_help=True, help="Search and export stored conversations.")

Project = Annotated[str | None, typer.Option(help="Only this project.")]
User = Annotated[str | None, typer.Option(help="Only this end user.")]


@conversations_app.command()
def search(  # typer reads the options from the signature
    words: Annotated[
        str, typer.Argument(help='Search words: high tide, "high tide" (phrase), tide or ebb, -ebb (without).')
    ],
    *,
    project: Project = None,
    user: User = None,
    before: Annotated[
        str | None, typer.Option(help="Only messages before this time: 12h, 7d (ago), or an ISO date (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_RESULTS, help="Maximum number of results.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Search stored messages by words, newest first."""
    until = None if before is None else parse_time(before, SystemClock().now())
    query = SearchQuery(words=words, project=project, end_user=user, before=until, limit=limit)
    hits = run_with_context(Needs.POSTGRES, lambda context: context.searcher.find(query))
    if as_json:
        print_json(MessageView.of(hit) for hit in hits)
    elif hits:
        titles = {
            "time (UTC)": False,
            "project": True,
            "user": True,
            "role": False,
            "conversation": True,
            "message": True,
        }
        print_table(titles, (_cells(hit) for hit in hits))
    else:
        typer.echo("No stored message matches these words.")


@conversations_app.command()
def export(
    project: Annotated[str, typer.Option(help="The project.")],
    user: User = None,
) -> None:
    """Write everything stored of a project or an end user to stdout as JSON Lines."""

    async def write(context: CommandContext) -> bool:
        if await context.projects.get(project) is None:
            return False
        async for line in context.export.lines(project, user):
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return True

    if not run_with_context(Needs.POSTGRES, write):
        raise command_error(f"There is no project {project}. List the projects with `tidegate projects list`.")


def _cells(hits: SearchHit) -> tuple[str, ...]:
    time = datetime.fromtimestamp(hits.at, UTC).strftime("%Y-%m-%d %H:%M")
    excerpt = " ".join(hits.excerpt.replace(MATCH_START, "»").replace(MATCH_END, "«").split())
    return time, hits.project, hits.end_user or "-", hits.role or "-", hits.conversation, excerpt

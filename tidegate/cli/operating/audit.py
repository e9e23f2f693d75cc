"""`tidegate audit`: who did what. The same over HTTP: web/admin/operating/audit.py."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.audit.act import AuditOutcome
from tidegate.audit.store import AuditEntry, AuditFilter
from tidegate.cli.call_options import parse_time
from tidegate.cli.context import print_json, print_table, run_with_context
from tidegate.cli.stores import Needs
from tidegate.core.clock import SystemClock
from tidegate.web.admin.operating.audit import AuditView

audit_app = typer.Typer(no_args_is_help=True, help="Show who did what.")


@audit_app.callback()
def _audit() -> None:
    """Keep the group although it has one command."""


@audit_app.command()
def show(  # noqa: PLR0913  # each is an option
    *,
    actor: Annotated[str | None, typer.Option(help="Only acts of this key or user: its id or name.")] = None,
    action: Annotated[
        str | None, typer.Option(help="Only this action, such as `keys.revoke`, or all that begin so: `keys`.")
    ] = None,
    about: Annotated[
        str | None, typer.Option(help="Only acts with this value: a key's id, a project, a credential, …")
    ] = None,
    outcome: Annotated[
        AuditOutcome | None, typer.Option(help="Only acts that ended so; `unknown`: its process died, or it goes on.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only acts since then: 45m, 12h, 7d or 2w before now, or an ISO date in UTC.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only acts before then, same format as `--since`.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Acts to show, the newest first.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show administrative acts and readings of conversations, newest first. No one can change or delete these lines."""
    now = SystemClock().now()
    wanted = AuditFilter(
        actor=actor,
        action=action,
        about=about,
        outcome=outcome,
        since=None if since is None else parse_time(since, now),
        until=None if until is None else parse_time(until, now),
        limit=limit,
    )
    entries = run_with_context(Needs.POSTGRES, lambda context: context.audit_lines.read(wanted))
    if as_json:
        print_json(AuditView.of(entry) for entry in entries)
    elif not entries:
        typer.echo("There is no such act.")
    else:
        columns = dict.fromkeys(("at (UTC)", "who", "from", "action", "on", "outcome"), False) | {"on": True}
        print_table(columns, _rows(entries))


def _rows(entries: list[AuditEntry]) -> Iterator[tuple[str, ...]]:
    for entry in entries:
        at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        actor = f"{entry.actor.kind}:{entry.actor.id}" + (f" ({entry.actor.name})" if entry.actor.name else "")
        parameters = [f"{name}={value}" for name, value in entry.act.parameters.items()]
        made = [f"made {entry.result}"] if entry.result else []
        ended = f"{entry.outcome}: {entry.error}" if entry.error else entry.outcome.value
        yield at, actor, entry.actor.address, entry.act.action, " ".join(parameters + made) or "-", ended

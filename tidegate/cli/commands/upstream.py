"""`tidegate upstream`: show targets and credentials, suspend and resume. The same over HTTP: web/admin/upstream.py."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.cli.context import CommandContext, print_json, print_table, run_with_context
from tidegate.cli.stores import Needs
from tidegate.routing.health.report import HealthEntry, UpstreamHealth
from tidegate.web.admin.upstream import UpstreamStateView, UpstreamView

upstream_app = typer.Typer(
    no_args_is_help=True, help="Show the state of targets and credentials; suspend and resume credentials."
)

_Name = Annotated[
    str, typer.Argument(metavar="PROVIDER/CREDENTIAL", help="The name listed by `tidegate upstream show`.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@upstream_app.command()
def show(as_json: _Json = False) -> None:
    """Show the state of each target's circuit breaker and of each credential, with its cause."""

    async def act(context: CommandContext) -> UpstreamHealth:
        return await context.upstream.read()

    health = run_with_context(Needs.REDIS, act)
    if as_json:
        print_json(UpstreamView.of(health))
        return
    columns = {"kind": False, "name": True, "state": False, "since (UTC)": False, "until (UTC)": False}
    columns |= {"error": False, "message": True}
    print_table(columns, _rows(health))


@upstream_app.command()
def suspend(name: _Name, as_json: _Json = False) -> None:
    """Suspend a credential: no replica uses it until it is resumed."""

    async def act(context: CommandContext) -> HealthEntry:
        return await context.upstream.suspend(name)

    _print_change(run_with_context(Needs.REDIS, act), as_json=as_json)


@upstream_app.command()
def resume(name: _Name, as_json: _Json = False) -> None:
    """Resume a credential, whatever suspended it, and end the waits that its upstream asked for."""

    async def act(context: CommandContext) -> HealthEntry:
        return await context.upstream.resume(name)

    _print_change(run_with_context(Needs.REDIS, act), as_json=as_json)


def _print_change(entry: HealthEntry, *, as_json: bool) -> None:
    if as_json:
        print_json(UpstreamStateView.of(entry))
    else:
        typer.echo(f"{entry.name} is {entry.state}. All replicas apply it within a second.")


def _rows(health: UpstreamHealth) -> Iterator[tuple[str, ...]]:
    for kind, entries in (("target", health.targets), ("credential", health.credentials)):
        for entry in entries:
            times = (_time(entry.since), _time(entry.until))
            yield kind, entry.name, entry.state, *times, entry.error or "-", entry.message or "-"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")

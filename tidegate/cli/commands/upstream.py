"""`tidegate upstream`: show targets and credentials, suspend and resume. The same over HTTP: web/admin/upstream.py."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.cli.context import CommandContext, print_json, print_table, run_with_context
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

    async def act(desk: CommandContext) -> UpstreamHealth:
        return await desk.upstream.read()

    found = run_with_context(act)
    if as_json:
        print_json(UpstreamView.of(found))
        return
    columns = {"kind": False, "name": True, "state": False, "since (UTC)": False, "until (UTC)": False}
    columns |= {"error": False, "message": True}
    print_table(columns, _rows(found))


@upstream_app.command()
def suspend(name: _Name, as_json: _Json = False) -> None:
    """Suspend a credential: no replica uses it until it is resumed."""

    async def act(desk: CommandContext) -> HealthEntry:
        return await desk.upstream.suspend(name)

    _print_change(run_with_context(act), as_json=as_json)


@upstream_app.command()
def resume(name: _Name, as_json: _Json = False) -> None:
    """Resume a credential, whatever suspended it."""

    async def act(desk: CommandContext) -> HealthEntry:
        return await desk.upstream.resume(name)

    _print_change(run_with_context(act), as_json=as_json)


def _print_change(shown: HealthEntry, *, as_json: bool) -> None:
    if as_json:
        print_json(UpstreamStateView.of(shown))
    else:
        typer.echo(f"{shown.name} is {shown.state}. All replicas apply it within a second.")


def _rows(found: UpstreamHealth) -> Iterator[tuple[str, ...]]:
    for what, lines in (("target", found.targets), ("credential", found.credentials)):
        for line in lines:
            times = (_time(line.since), _time(line.until))
            yield what, line.name, line.state, *times, line.error or "-", line.message or "-"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")

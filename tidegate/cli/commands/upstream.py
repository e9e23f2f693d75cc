"""`tidegate upstream`: how targets and credentials stand, and how a credential is taken out and back."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.cli.context import CommandContext, print_json, print_table, run_with_context
from tidegate.routing.health.report import HealthEntry, UpstreamHealth
from tidegate.web.admin.upstream import UpstreamStateView, UpstreamView

upstream_app = typer.Typer(no_args_is_help=True, help="See how targets and credentials stand; suspend and resume.")

_Name = Annotated[str, typer.Argument(metavar="PROVIDER/CREDENTIAL", help="As `tidegate upstream show` lists it.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@upstream_app.command()
def show(as_json: _Json = False) -> None:
    """Show each target's breaker and each credential's state, since when, and why."""

    async def act(desk: CommandContext) -> UpstreamHealth:
        return await desk.upstream.read()

    found = run_with_context(act)
    if as_json:
        print_json(UpstreamView.of(found))
        return
    columns = {"what": False, "name": True, "state": False, "since (UTC)": False, "until (UTC)": False}
    columns |= {"error": False, "its words": True}
    print_table(columns, _rows(found))


@upstream_app.command()
def suspend(name: _Name, as_json: _Json = False) -> None:
    """Take a credential out: no replica sends a call with it until it is resumed."""

    async def act(desk: CommandContext) -> HealthEntry:
        return await desk.upstream.suspend(name)

    _print_change(run_with_context(act), as_json=as_json)


@upstream_app.command()
def resume(name: _Name, as_json: _Json = False) -> None:
    """Take a credential back, whatever took it out."""

    async def act(desk: CommandContext) -> HealthEntry:
        return await desk.upstream.resume(name)

    _print_change(run_with_context(act), as_json=as_json)


def _print_change(shown: HealthEntry, *, as_json: bool) -> None:
    if as_json:
        print_json(UpstreamStateView.of(shown))
    else:
        typer.echo(f"{shown.name} is {shown.state}; all replicas act on it within a second.")


def _rows(found: UpstreamHealth) -> Iterator[tuple[str, ...]]:
    for what, lines in (("target", found.targets), ("credential", found.credentials)):
        for line in lines:
            times = (_time(line.since), _time(line.until))
            yield what, line.name, line.state, *times, line.error or "-", line.message or "-"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")

"""`tidegate calls`: look single calls up, and follow them. The same over HTTP: web/admin/calls.py."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.cli.call_options import KeyOption, ModelOption, ProjectOption, UserOption, call_filter
from tidegate.cli.context import print_json, printable, run_with_context
from tidegate.cli.stores import Needs
from tidegate.core.clock import Clock, SystemClock
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.metering.reports.call_filter import CallFilter
from tidegate.metering.reports.calls import CallHistory, CallLookUp
from tidegate.metering.reports.usage_report import usd
from tidegate.web.admin.calls import CallHistoryView, CallView

MAX_TAIL = 1_000
"""Calls that are shown at once."""
_LOOK_BACK_SECONDS = 600.0
"""A call is in the ledger when it has ended, under the moment of its arrival: so far back new ones are looked for."""
_POLL_SECONDS = 1.0
_DAY_SECONDS = 86_400.0

calls_app = typer.Typer(no_args_is_help=True, help="Look up single calls: what was asked, who answered, why it failed.")


@calls_app.command()
def show(
    request_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="The call's `x-request-id` (req_...), or its request id at the upstream."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show everything that the ledger knows of one call."""
    history = run_with_context(Needs.POSTGRES, lambda context: context.calls.find(request_id))
    if as_json:
        print_json(CallHistoryView.of(history))
        return
    for entry in history.entries:
        for name, value in _details(entry).items():
            typer.echo(f"{name:<20} {printable(value)}")
    for remark in _remarks(history):
        typer.echo(remark)


@calls_app.command()
def tail(  # noqa: PLR0913  # a parameter for each option
    *,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only calls that failed, were refused, or got a stale or canned answer.")
    ] = False,
    project: ProjectOption = None,
    key: KeyOption = None,
    user: UserOption = None,
    model: ModelOption = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=MAX_TAIL, help="Show so many calls first.")] = 20,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Wait for further calls until Ctrl-C.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show the latest calls of the last day, and each further one within seconds of its end."""
    calls = call_filter(project=project, key=key, user=user, model=model)

    async def run(look_up: CallLookUp) -> None:
        async for entry in latest_calls(look_up, calls, only_errors=errors, count=count, follow=follow):
            if as_json:
                print_json(CallView.of(entry))
            else:
                typer.echo(line_of_call(entry))

    run_with_context(Needs.POSTGRES, lambda context: run(context.calls))


async def latest_calls(  # noqa: PLR0913  # a parameter for each bound
    look_up: CallLookUp,
    calls: CallFilter,
    *,
    only_errors: bool,
    count: int,
    follow: bool,
    clock: Clock | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[LedgerEntry]:
    """Yield the latest calls, the oldest first, and with `follow` each further one, once. Raises as `list` does."""
    clock = clock or SystemClock()
    now = clock.now()
    found = await look_up.list(calls, since=now - _DAY_SECONDS, until=now + 1, limit=MAX_TAIL, only_errors=only_errors)
    seen = OrderedDict.fromkeys(entry.id for entry in reversed(found))
    for entry in reversed(found[:count]):
        yield entry
    while follow:
        await pause(_POLL_SECONDS)
        now = clock.now()
        found = await look_up.list(
            calls, since=now - _LOOK_BACK_SECONDS, until=now + 1, limit=MAX_TAIL, only_errors=only_errors
        )
        for entry in reversed(found):
            if entry.id not in seen:
                seen[entry.id] = None
                yield entry
        while len(seen) > 2 * MAX_TAIL:
            seen.popitem(last=False)


def line_of_call(entry: LedgerEntry) -> str:
    """Return one call as one line."""
    target = f"{entry.provider or '-'}/{entry.served_model or '-'}"
    parts = [
        datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        entry.id,
        entry.outcome,
        entry.project,
        f"{entry.model or '-'} -> {target}",
        f"cache={entry.cache}",
        f"{entry.latency_ms} ms",
        f"${usd(entry.cost_nanos)}",
    ]
    if entry.fallback_step in ("stale", "canned"):
        parts.append(f"answered by: {entry.fallback_step}")
    if entry.error_text is not None:
        parts.append(entry.error_text)
    if entry.repeats:
        parts.append(f"and {entry.repeats:,} more like this")
    return printable("  ".join(parts))


def _details(entry: LedgerEntry) -> dict[str, str]:
    view = CallView.of(entry).model_dump()
    return {name: str(value) for name, value in view.items() if value not in (None, "", {}, 0) or name == "outcome"}


def _remarks(history: CallHistory) -> list[str]:
    """Return what can be done about the call's answer."""
    remarks = []
    for entry in history.entries:
        if entry.answer_from is not None:
            remarks.append(
                f"Its answer was that of {entry.answer_from}. If it is wrong, remove it from the cache: "
                f"tidegate cache purge --request {entry.answer_from}"
            )
        if entry.repeats:
            remarks.append(f"It stands for {entry.repeats:,} more refusals of the same key for the same reason.")
    if history.receivers:
        first = history.entries[0].id
        remarks.append(
            f"{history.receivers:,} other calls received its answer. If it is wrong, remove it from the cache: "
            f"tidegate cache purge --request {first}"
        )
    return [printable(remark) for remark in remarks]

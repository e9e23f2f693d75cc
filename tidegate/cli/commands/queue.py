"""`tidegate queue`: who waits for the upstream, and which background responses wait or are made."""

from collections.abc import Iterator
from typing import Annotated

import typer

from tidegate.background.job_store import OpenJob
from tidegate.cli.context import CommandContext, print_json, print_table, run_with_context
from tidegate.core.clock import SystemClock
from tidegate.queue.report import LaneStatus
from tidegate.web.admin.schemas import JobView, LaneView

queue_app = typer.Typer(
    no_args_is_help=True, help="See who waits for the upstream, and what is done in the background."
)


@queue_app.callback()
def _queue() -> None:
    """A group even with one command."""


@queue_app.command()
def show(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to list of each queue.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show each queue: the limits known, who waits, how long already, and how long it may still take."""

    async def act(desk: CommandContext) -> tuple[LaneStatus, ...]:
        return await desk.queue.read(SystemClock().now(), limit=limit)

    lanes = run_with_context(act)
    if as_json:
        print_json(LaneView.of(lane) for lane in lanes)
        return
    if not any(lane.waiting for lane in lanes):
        typer.echo("Nobody waits.")
    for lane in lanes:
        typer.echo("".join(character for character in _lane_text(lane) if character.isprintable()))
        if lane.waiters:
            columns = ("place", "project", "priority", "request", "tokens", "waited", "still", "deadline in")
            print_table(dict.fromkeys(columns, False) | {"project": True}, _rows(lane))


@queue_app.command()
def jobs(
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show the background responses that wait or are being made, the oldest first."""

    async def act(desk: CommandContext) -> list[OpenJob]:
        return await desk.jobs.open_jobs(project)

    found = run_with_context(act)
    if as_json:
        print_json(JobView.of(job) for job in found)
    elif not found:
        typer.echo("No background response waits or is being made.")
    else:
        columns = ("response", "project", "status", "since", "process", "attempt", "deaths", "time left")
        print_table(dict.fromkeys(columns, False) | {"project": True}, _job_rows(found, SystemClock().now()))


def _job_rows(found: list[OpenJob], now: float) -> Iterator[tuple[str, ...]]:
    for job in found:
        since = job.created_at if job.started_at is None or job.status == "queued" else job.started_at
        yield (
            job.response_id,
            job.project,
            job.status,
            f"{max(0.0, now - since):.0f} s",
            job.worker or "-",
            f"{job.attempt:,}",
            f"{job.deaths:,}",
            f"{max(0.0, job.deadline - now):.0f} s",
        )


def _lane_text(lane: LaneStatus) -> str:
    limits = f"{_limit_text(lane.rpm)} requests and {_limit_text(lane.tpm)} tokens a minute"
    held = f", held back for {lane.held_for:.1f} s" if lane.held_for > 0 else ""
    return f"{lane.name}: {lane.waiting:,} waiting, {lane.unanswered:,} under way, {limits}{held}."


def _limit_text(limit: int | None) -> str:
    return "not yet known" if limit is None else f"{limit:,}"


def _rows(lane: LaneStatus) -> Iterator[tuple[str, ...]]:
    for place, waiter in enumerate(lane.waiters, start=1):
        yield (
            f"{place:,}",
            waiter.project,
            waiter.priority.label,
            waiter.request,
            f"{waiter.tokens:,}",
            f"{waiter.waited:.1f} s",
            "-" if waiter.estimate is None else f"{waiter.estimate:.1f} s",
            f"{waiter.left:.1f} s",
        )

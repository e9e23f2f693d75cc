"""`tidegate queue`: waiting requests and background responses. The same over HTTP: web/admin/queue.py."""

from collections.abc import Iterator
from typing import Annotated

import typer

from tidegate.background.job_store import OpenJob
from tidegate.cli.context import CommandContext, print_json, print_table, run_with_context
from tidegate.cli.stores import Needs
from tidegate.core.clock import SystemClock
from tidegate.queue.report import LaneStatus
from tidegate.web.admin.queue import JobView, LaneView

queue_app = typer.Typer(no_args_is_help=True, help="Show requests waiting for the upstream, and background responses.")


@queue_app.callback()
def _queue() -> None:
    """Make the commands a group."""


@queue_app.command()
def show(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of waiting requests to list of each queue.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show each queue: its rate limits and the waiting requests with their wait times."""

    async def act(context: CommandContext) -> tuple[LaneStatus, ...]:
        return await context.queue.read(SystemClock().now(), limit=limit)

    lanes = run_with_context(Needs.REDIS, act)
    if as_json:
        print_json(LaneView.of(lane) for lane in lanes)
        return
    if not any(lane.waiting for lane in lanes):
        typer.echo("No request is waiting.")
    for lane in lanes:
        typer.echo("".join(character for character in _lane_text(lane) if character.isprintable()))
        if lane.waiters:
            columns = ("position", "project", "priority", "request", "tokens", "waited", "remaining", "deadline in")
            print_table(dict.fromkeys(columns, False) | {"project": True}, _rows(lane))


@queue_app.command()
def jobs(
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the background responses that are queued or in progress, oldest first."""

    async def act(context: CommandContext) -> list[OpenJob]:
        return await context.jobs.open_jobs(project)

    open_jobs = run_with_context(Needs.POSTGRES, act)
    if as_json:
        print_json(JobView.of(job) for job in open_jobs)
    elif not open_jobs:
        typer.echo("No background response is queued or in progress.")
    else:
        columns = ("response", "project", "status", "for", "process", "attempt", "crashes", "deadline in")
        print_table(dict.fromkeys(columns, False) | {"project": True}, _job_rows(open_jobs, SystemClock().now()))


def _job_rows(open_jobs: list[OpenJob], now: float) -> Iterator[tuple[str, ...]]:
    for job in open_jobs:
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
    limits = f"{_limit_text(lane.rpm)} requests/min, {_limit_text(lane.tpm)} tokens/min"
    held = f", paused for {lane.held_for:.1f} s" if lane.held_for > 0 else ""
    return f"{lane.name}: {lane.waiting:,} waiting, {lane.unanswered:,} in progress, {limits}{held}."


def _limit_text(limit: int | None) -> str:
    return "unknown" if limit is None else f"{limit:,}"


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

"""What commands share: open stores for the time of one command, errors, JSON and tables. Used by cli/commands."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

import msgspec
import typer
from pydantic import BaseModel
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tidegate.alerts.report import AlertReport
from tidegate.assembly.alerts import alert_report
from tidegate.assembly.limits import budget_report
from tidegate.assembly.pipeline import budget_check
from tidegate.assembly.privacy import end_user_erasure
from tidegate.assembly.routing import health_report, lane_limits
from tidegate.audit.log import AuditLog
from tidegate.audit.store import AuditStore
from tidegate.auth.key_rotation import KeyRotation
from tidegate.auth.key_store import STALE_SECONDS, KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.auth.tag_budget_store import TagBudgetStore
from tidegate.background.job_store import JobStore
from tidegate.cache.purge import AnswerPurge
from tidegate.cache.semantic.state.accounts import AccountStore
from tidegate.cache.semantic.state.change_log import ChangeLog
from tidegate.cache.semantic.state.purge import ScopePurge
from tidegate.cache.semantic.state.report import SemanticReports
from tidegate.cli.acts import NONE_MEANS_NOT_FOUND, command_actor, current_act
from tidegate.cli.stores import Needs, audit_address, exit_on_error, open_migrated_stores
from tidegate.conversations.storage.export import ConversationExport
from tidegate.conversations.storage.search import ConversationSearch
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core import config
from tidegate.core.clock import SystemClock
from tidegate.core.config import Settings
from tidegate.limits.budget_report import BudgetReport
from tidegate.metering.reports.calls import CallLookUp
from tidegate.ownership.object_register import ObjectRegister
from tidegate.pipeline.call_cost import BudgetCheck
from tidegate.pipeline.erasure import EndUserErasure
from tidegate.queue.messages import LaneLimits
from tidegate.queue.report import QueueReport
from tidegate.queue.store import CapacityStore
from tidegate.routing.health.report import HealthReport
from tidegate.routing.health.store import HealthStore
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

_Result = TypeVar("_Result")
_REDIS_TIMEOUT_SECONDS = 2.0
"""Longer than the gateway's own timeout: a person at a terminal can wait."""
_UNUSED_REDIS = "redis://127.0.0.1"
"""For a link that is never started, and so refuses each command; connections to PostgreSQL are opened when used."""
_SLOW_QUERY_SECONDS = 120.0
"""Query timeout for searches and deletions."""
_MIN_COLUMN_WIDTH = 16
"""Characters. A narrower column would break words."""
_PIPE_WIDTH = 400
"""Characters. Output to a pipe is not wrapped, so that ids can be copied."""


class CommandContext(msgspec.Struct, frozen=True, kw_only=True):
    """The stores and reports that commands use."""

    keys: KeyStore
    rotation: KeyRotation
    projects: ProjectStore
    budgets: BudgetReport
    tag_budgets: TagBudgetStore
    budget_check: BudgetCheck
    answers: AnswerPurge
    calls: CallLookUp
    queue: QueueReport
    jobs: JobStore
    searcher: ConversationSearch
    export: ConversationExport
    erasure: EndUserErasure
    upstream: HealthReport
    alerts: AlertReport
    audit_lines: AuditStore
    audit: AuditLog
    objects: ObjectRegister
    semantic: SemanticReports
    scopes: ScopePurge


def run_with_context(
    needs: Needs, action: Callable[[CommandContext], Awaitable[_Result]], *, is_act: bool = True
) -> _Result:
    """Run `action` on the stores that it needs and return its result; an expected error ends the command.

    It is recorded in the audit log, unless the command only reads, or `action` is the part of an act that only reads:
    `is_act` is false then.

    A change that Redis cannot announce is made all the same: needing both stores does not mean that both must answer.
    """

    async def run(stores: StoreUrls, settings: Settings) -> _Result:
        async with _open_context(stores, settings, needs) as context:
            if act is None:
                return await action(context)
            async with context.audit.record(command_actor(), act) as doing:
                result = await action(context)
                if result is None and act.action in NONE_MEANS_NOT_FOUND:
                    doing.refused = "not_found"
                return result

    act = current_act() if is_act else None

    with exit_on_error():
        settings = config.load(with_secrets=False)
        with open_migrated_stores(settings, needs) as stores:
            address = stores.database_url if act is None else audit_address(settings, stores)
            return asyncio.run(run(msgspec.structs.replace(stores, database_url=address), settings))


@contextlib.asynccontextmanager
async def _open_context(stores: StoreUrls, settings: Settings, needs: Needs) -> AsyncIterator[CommandContext]:
    clock, prefix = SystemClock(), settings.redis.prefix
    postgres = Postgres(stores.database_url, size=1, timeout=settings.database.timeout_seconds)
    patient = Postgres(stores.database_url, size=1, timeout=max(_SLOW_QUERY_SECONDS, settings.database.timeout_seconds))
    url = stores.redis_url if Needs.REDIS in needs else _UNUSED_REDIS
    redis = RedisLink(url, timeout=_REDIS_TIMEOUT_SECONDS, clock=clock, ca_file=settings.redis.ca_file)
    if Needs.REDIS in needs:
        await redis.start()
    lanes = CapacityStore(redis, prefix=prefix, lane_limits=lambda _: LaneLimits())  # reading needs no limits
    keys = KeyStore(postgres, redis, clock=clock, prefix=prefix)
    audit_lines = AuditStore(postgres)
    try:
        yield CommandContext(
            keys=keys,
            rotation=KeyRotation(postgres, redis, keys, clock=clock, prefix=prefix),
            projects=ProjectStore(postgres, redis, prefix=prefix),
            budgets=budget_report(postgres, redis, settings),
            tag_budgets=TagBudgetStore(postgres, redis, prefix=prefix),
            budget_check=budget_check(settings),
            answers=AnswerPurge(redis, prefix=prefix),
            calls=CallLookUp(patient),
            queue=QueueReport(lanes, lane_limits(settings)),
            jobs=JobStore(postgres),
            searcher=ConversationSearch(patient),
            export=ConversationExport(StoreBase(patient, clock)),
            erasure=end_user_erasure(patient, redis, clock, prefix=prefix),
            audit_lines=audit_lines,
            audit=AuditLog(audit_lines, clock),
            objects=ObjectRegister(postgres, clock),
            scopes=ScopePurge(postgres, AnswerPurge(redis, prefix=prefix), ChangeLog(postgres, redis, prefix=prefix)),
            semantic=SemanticReports(patient, AccountStore(redis, clock, prefix=prefix, judge_seconds=0.0)),
            upstream=health_report(HealthStore(redis, prefix=prefix), lanes, settings, clock, on_change=ignore_change),
            alerts=alert_report(postgres, redis, settings, clock),
        )
    finally:
        await redis.close()
        await postgres.close()
        await patient.close()


def ignore_change(change: object, before: str) -> None:
    """Log nothing: the operator who makes the change at the command line knows it."""


def command_error(sentence: str) -> typer.Exit:
    """Print an error on stderr and return the exception for the caller to raise."""
    typer.secho(sentence, err=True, fg=typer.colors.RED)
    return typer.Exit(1)


def print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings on stderr."""
    for warning in warnings:
        typer.secho(f"Warning: {warning}", err=True, fg=typer.colors.YELLOW)


def propagation_time(announced: bool) -> str:
    """Return how soon the gateway's processes apply a change."""
    return "within a second" if announced else f"within {STALE_SECONDS:g} s (Redis did not answer)"


def print_json(view: BaseModel | Iterable[BaseModel]) -> None:
    """Print one model as a JSON object, or several as an array."""
    plain = view.model_dump() if isinstance(view, BaseModel) else [one.model_dump() for one in view]
    typer.echo(msgspec.json.encode(plain))


def print_table(columns: dict[str, bool], rows: Iterable[Iterable[str]]) -> None:
    """Print a table; `columns` tells for each title whether its cells may wrap.

    If the terminal is too narrow, each row is printed as a block of lines instead: nothing is cut off.
    """
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    cells = [[Text(printable(cell)) for cell in row] for row in rows]  # Text: names are never parsed as markup
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for (title, folds), *column in zip(columns.items(), *cells, strict=True):
        longest = max(len(title), *(len(cell) for cell in column), 0)
        table.add_column(title, no_wrap=not folds, overflow="fold", min_width=min(longest, _MIN_COLUMN_WIDTH))
    for row in cells:
        table.add_row(*row)
    least = Measurement.get(console, console.options.update_width(_PIPE_WIDTH), table).minimum
    if least <= console.width:
        console.print(table)
        return
    for row in cells:
        console.print(_vertical(list(columns), row))
        console.print()


def _vertical(titles: list[str], row: list[Text]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for title, cell in zip(titles, row, strict=True):
        grid.add_row(Text(title, style="bold"), cell)
    return grid


def printable(cell: str) -> str:
    """Replace control characters: callers choose some of the names shown."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cell)

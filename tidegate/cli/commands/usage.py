"""`tidegate usage`: requests, tokens and cost, from the ledger. The same over HTTP: web/admin/usage.py."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tidegate.assembly.limits import budget_report
from tidegate.auth.key_store import KeyRecord, KeyStore
from tidegate.cli.call_options import (
    KeyOption,
    ModelOption,
    ProjectOption,
    TagOption,
    UntilOption,
    UserOption,
    call_filter,
    parse_time,
)
from tidegate.cli.commands.budgets import nearly_used_lines
from tidegate.cli.commands.keys import replaced_text
from tidegate.cli.operating.compare import compare
from tidegate.cli.stores import exit_on_error, open_migrated_stores
from tidegate.core import config
from tidegate.core.clock import SystemClock
from tidegate.core.config import Settings
from tidegate.core.errors import InvalidParameter, RedisUnavailable
from tidegate.limits.budget_report import Budget
from tidegate.metering.ledger.spool import count_lines
from tidegate.metering.ledger.stream import LedgerStream
from tidegate.metering.reports.call_filter import CallFilter
from tidegate.metering.reports.usage_report import GroupBy, Grouping, UsageReports, UsageRow, total, usd
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web.admin.budgets import BudgetView

_REDIS_TIMEOUT_SECONDS = 2.0
"""Longer than the gateway's own timeout: a person at a terminal can wait."""
_PIPE_WIDTH = 400
"""Characters. Output to a pipe or a file has all columns."""
_NAME_WIDTH = 40
"""Characters. A key's id fits; longer names wrap."""
_OPTIONAL_COLUMNS = ("reasoning", "joined", "cached", "errors", "hits", "saved USD")
"""Columns that are left out on a narrow terminal, in this order."""
_RARE_COLUMNS = {
    "degraded": "degraded", "left": "client_gone", "written": "cache_write_tokens", "fees USD": "fee_nanos",
}  # fmt: skip
"""Columns that are shown only where they are not 0, and the figure of each."""


class UsageParams(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests to sum up; `since` and `until` are Unix seconds."""

    by: tuple[Grouping, ...]
    since: float
    until: float
    calls: CallFilter

    @property
    def title(self) -> str:
        """Return the groupings as they are written."""
        return " / ".join(grouping.text for grouping in self.by)


class UsageResult(msgspec.Struct, frozen=True, kw_only=True):
    """The report, and the number of ledger entries that are not in it yet."""

    rows: list[UsageRow]
    in_stream: int | None
    """Entries still in the Redis stream; None if Redis did not answer."""
    on_disk: int
    """Entries in this machine's spool files."""
    rejected: int
    nearly_used: tuple[Budget, ...] = ()
    """The budgets of which 80 % is spent, or more."""
    replaced: tuple[KeyRecord, ...] = ()
    """The keys whose replaced secret is still valid, or was sent after it had stopped."""


usage_app = typer.Typer(invoke_without_command=True, help="Show requests, tokens and cost of a period.")
usage_app.command("compare")(compare)


@usage_app.callback()
def usage(  # noqa: PLR0913, PLR0917  # each is an option
    context: typer.Context,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP",
            help="Group rows by hour, day (default), week, month, key, model, user, project, route, provider or "
            "outcome, or by a tag's values: tag:NAME. May be given three times.",
        ),
    ] = None,
    project: ProjectOption = None,
    key: KeyOption = None,
    user: UserOption = None,
    model: ModelOption = None,
    tag: TagOption = None,
    since: Annotated[
        str,
        typer.Option(
            help="Start of the period: 45m, 12h, 7d or 2w before now, `today`, `yesterday`, or an ISO date (of "
            "`budgets.time_zone`)."
        ),
    ] = "30d",
    until: UntilOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show requests, tokens and cost of a period."""
    if context.invoked_subcommand is not None:
        return
    now = SystemClock().now()
    try:
        groupings = tuple(Grouping.parse(text) for text in by or [GroupBy.DAY.value])
        calls = call_filter(project=project, key=key, user=user, model=model, tag=tag)
    except InvalidParameter as error:
        raise typer.BadParameter(error.message) from error
    with exit_on_error():
        settings = config.load(with_secrets=False)
        zone = ZoneInfo(settings.budgets.time_zone)
        params = UsageParams(
            by=groupings,
            calls=calls,
            since=parse_time(since, now, zone),
            until=parse_time(until, now, zone) if until else now,
        )
        with open_migrated_stores(settings) as stores:
            result = asyncio.run(_read(params, stores, settings))
    if as_json:
        typer.echo(msgspec.json.encode(_as_json(params, result)))
    else:
        _print(params, result)


async def _read(params: UsageParams, stores: StoreUrls, settings: Settings) -> UsageResult:
    postgres = Postgres(stores.database_url, size=1, timeout=settings.database.timeout_seconds)
    redis = RedisLink(
        stores.redis_url, timeout=_REDIS_TIMEOUT_SECONDS, clock=SystemClock(), ca_file=settings.redis.ca_file
    )
    await redis.start()
    try:
        # counts pending entries first: an entry booked meanwhile is then counted twice, not missed
        in_stream = await _in_stream(LedgerStream(redis, settings.redis.prefix))
        on_disk = count_lines(settings.spool_dir)
        reports = UsageReports(postgres, time_zone=settings.budgets.time_zone)
        rows = await reports.usage(params.by, since=params.since, until=params.until, calls=params.calls)
        return UsageResult(
            rows=rows,
            in_stream=in_stream,
            on_disk=on_disk,
            rejected=await reports.rejected(),
            nearly_used=await _nearly_used(postgres, redis, settings, params.calls.project),
            replaced=await _replaced(postgres, redis, settings, params.calls.project),
        )
    finally:
        await redis.close()
        await postgres.close()


async def _nearly_used(
    postgres: Postgres, redis: RedisLink, settings: Settings, project: str | None
) -> tuple[Budget, ...]:
    """Return the budgets of `project`, or the first ones of all, that are nearly used; none without Redis."""
    try:
        listing = await budget_report(postgres, redis, settings).read(SystemClock().now(), project=project)
    except RedisUnavailable:
        return ()
    return tuple(budget for budget in listing.budgets if budget.is_nearly_used)


async def _replaced(
    postgres: Postgres, redis: RedisLink, settings: Settings, project: str | None
) -> tuple[KeyRecord, ...]:
    clock = SystemClock()
    records = await KeyStore(postgres, redis, clock=clock, prefix=settings.redis.prefix).list(project)
    return tuple(record for record in records if replaced_text(record, clock.now()) is not None)


async def _in_stream(stream: LedgerStream) -> int | None:
    try:
        return await stream.length()
    except RedisUnavailable:
        return None


def _as_json(params: UsageParams, result: UsageResult) -> dict[str, Any]:
    return {
        "by": params.title,
        "project": params.calls.project,
        "key": params.calls.key_id,
        "user": params.calls.end_user,
        "model": params.calls.model,
        "tags": [tag.text for tag in params.calls.tags],
        "since": _iso(params.since),
        "until": _iso(params.until),
        "rows": [_row_as_json(row) for row in result.rows],
        "total": _row_as_json(total(result.rows)),
        "pending": {"stream": result.in_stream, "spool": result.on_disk},
        "rejected": result.rejected,
        "replaced_secrets": [_replaced_as_json(record) for record in result.replaced],
        "nearly_used_budgets": [BudgetView.of(budget).model_dump() for budget in result.nearly_used],
    }


def _row_as_json(row: UsageRow) -> dict[str, Any]:
    amounts = {"cost_usd": usd(row.cost_nanos), "fee_usd": usd(row.fee_nanos), "saved_usd": usd(row.saved_nanos)}
    return {**msgspec.structs.asdict(row), **amounts}


def _replaced_as_json(record: KeyRecord) -> dict[str, Any]:
    """Return who still uses a secret that a rotation replaced. Times are in Unix seconds."""
    owner = {"key_id": record.id, "project": record.project, "name": record.name}
    return owner | (msgspec.structs.asdict(record.replaced) if record.replaced else {})


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _print(params: UsageParams, result: UsageResult) -> None:
    screen = Console()
    if not screen.is_terminal:
        screen.width = _PIPE_WIDTH
    table, left_out = fit_table(screen, params.title, result.rows)
    screen.print(table)
    for remark in _footer(result):
        typer.echo(remark)
    if left_out:
        typer.echo(
            f"Columns left out because the terminal is too narrow: {', '.join(left_out)}. Use --json to see everything."
        )


def fit_table(screen: Console, by: str, rows: list[UsageRow]) -> tuple[Table, tuple[str, ...]]:
    """Return the widest table that fits, and the columns left out: the least important ones go first."""
    sums = total(rows)
    unused = tuple(title for title, name in _RARE_COLUMNS.items() if not getattr(sums, name))
    for count in range(len(_OPTIONAL_COLUMNS) + 1):
        left_out = _OPTIONAL_COLUMNS[:count]
        table = _table(by, rows, (*left_out, *unused))
        if Measurement.get(screen, screen.options.update_width(_PIPE_WIDTH), table).maximum <= screen.width:
            break
    return table, left_out


def _table(by: str, rows: list[UsageRow], left_out: tuple[str, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column(by, footer="total", overflow="fold", max_width=_NAME_WIDTH)
    for title, figure in _figures(total(rows), left_out).items():
        table.add_column(title, footer=figure, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(_group_text(row), *_figures(row, left_out).values())
    return table


def _figures(row: UsageRow, left_out: tuple[str, ...]) -> dict[str, str]:
    return {title: figure for title, figure in _every_figure(row).items() if title not in left_out}


def _every_figure(row: UsageRow) -> dict[str, str]:
    return {
        "calls": f"{row.calls:,}",
        "hits": f"{row.hits:,}",
        "joined": f"{row.joined:,}",
        "errors": f"{row.errors:,}",
        "degraded": f"{row.degraded:,}",
        "left": f"{row.client_gone:,}",
        "input": f"{row.input_tokens:,}",
        "cached": f"{row.cached_tokens:,}",
        "written": f"{row.cache_write_tokens:,}",
        "output": f"{row.output_tokens:,}",
        "reasoning": f"{row.reasoning_tokens:,}",
        "cost USD": usd(row.cost_nanos),
        "fees USD": usd(row.fee_nanos),
        "saved USD": usd(row.saved_nanos),
    }


def _group_text(row: UsageRow) -> Text:
    """Return a row's name without markup and control characters: callers choose some of the names."""
    name = f"{' / '.join(group or '(none)' for group in row.groups)} {row.name or ''}".rstrip()
    return Text("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name))


def _footer(result: UsageResult) -> list[str]:
    remarks = list(nearly_used_lines(result.nearly_used))
    now = SystemClock().now()
    remarks += [text for record in result.replaced if (text := replaced_text(record, now)) is not None]
    if result.in_stream is None:
        remarks.append("Redis did not answer: the number of requests not yet in this report is unknown.")
    on_their_way = (result.in_stream or 0) + result.on_disk
    if on_their_way:
        remarks.append(
            f"{on_their_way:,} more requests are not in this report yet ({result.on_disk:,} of them on disk)."
        )
    if unpriced := total(result.rows).unpriced:
        remarks.append(
            f"{unpriced:,} requests used a model or a tool without a known price. The log names the setting of each."
        )
    if result.rejected:
        remarks.append(
            f"{result.rejected:,} entries were rejected and are not in this report: see the table ledger_rejected."
        )
    return remarks

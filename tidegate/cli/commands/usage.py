"""`tidegate usage`: requests, tokens and cost, from the ledger. The same over HTTP: web/admin/usage.py."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tidegate.cli.stores import exit_on_error, open_migrated_stores
from tidegate.core import config
from tidegate.core.clock import SystemClock
from tidegate.core.config import Settings
from tidegate.core.errors import RedisUnavailable
from tidegate.metering.ledger.spool import count_lines
from tidegate.metering.ledger.stream import LedgerStream
from tidegate.metering.usage_report import GroupBy, UsageReports, UsageRow, total, usd
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_REDIS_TIMEOUT_SECONDS = 2.0
"""Longer than the gateway's own timeout: a person at a terminal can wait."""
_PIPE_WIDTH = 400
"""Characters. Output to a pipe or a file has all columns."""
_NAME_WIDTH = 40
"""Characters. A key's id fits; longer names wrap."""
_OPTIONAL_COLUMNS = ("reasoning", "joined", "cached", "errors", "hits", "saved USD")
"""Columns that are left out on a narrow terminal, in this order."""


class UsageParams(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests to sum up; `since` and `until` are Unix seconds."""

    by: GroupBy
    since: float
    until: float
    project: str | None


class UsageResult(msgspec.Struct, frozen=True, kw_only=True):
    """The report, and the number of ledger entries that are not in it yet."""

    rows: list[UsageRow]
    in_stream: int | None
    """Entries still in the Redis stream; None if Redis did not answer."""
    on_disk: int
    """Entries in this machine's spool files."""
    rejected: int


def usage(
    by: Annotated[GroupBy, typer.Option(help="Group rows by.")] = GroupBy.DAY,
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    since: Annotated[
        str, typer.Option(help="Start of the period: 45m, 12h, 7d or 2w before now, or an ISO date (UTC).")
    ] = "30d",
    until: Annotated[
        str | None, typer.Option(help="End of the period (exclusive), same format as `--since`. Default: now.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show requests, tokens and cost of a period."""
    now = SystemClock().now()
    params = UsageParams(
        by=by, project=project, since=parse_time(since, now), until=parse_time(until, now) if until else now
    )
    with exit_on_error():
        settings = config.load(with_secrets=False)
        with open_migrated_stores(settings) as stores:
            result = asyncio.run(_read(params, stores, settings))
    if as_json:
        typer.echo(msgspec.json.encode(_as_json(params, result)))
    else:
        _print(params, result)


def parse_time(text: str, now: float) -> float:
    """Parse a time before `now` (`7d`) or an ISO date (UTC by default) into Unix seconds. Raises BadParameter."""
    span = re.fullmatch(r"(\d{1,6})([mhdw])(?: ago)?", text.strip())
    if span:
        return now - int(span[1]) * _UNITS[span[2]]
    try:
        when = datetime.fromisoformat(text.strip())
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is neither a time span like 45m, 12h, 7d or 2w nor an ISO date") from error


async def _read(params: UsageParams, stores: StoreUrls, settings: Settings) -> UsageResult:
    postgres = Postgres(stores.database_url, size=1, timeout=settings.database.timeout_seconds)
    redis = RedisLink(stores.redis_url, timeout=_REDIS_TIMEOUT_SECONDS, clock=SystemClock())
    await redis.start()
    try:
        # counts pending entries first: an entry booked meanwhile is then counted twice, not missed
        in_stream = await _in_stream(LedgerStream(redis, settings.redis.prefix))
        on_disk = count_lines(_spool_folder(settings))
        reports = UsageReports(postgres)
        rows = await reports.usage(params.by, since=params.since, until=params.until, project=params.project)
        return UsageResult(rows=rows, in_stream=in_stream, on_disk=on_disk, rejected=await reports.rejected())
    finally:
        await redis.close()
        await postgres.close()


async def _in_stream(stream: LedgerStream) -> int | None:
    try:
        return await stream.length()
    except RedisUnavailable:
        return None


def _spool_folder(settings: Settings) -> Path:
    """Return the spool folder: beside the embedded stores as `tidegate run` has it, or as configured."""
    return settings.data_dir / "spool" if settings.database_url is None else settings.metering.spool_dir


def _as_json(params: UsageParams, result: UsageResult) -> dict[str, Any]:
    return {
        "by": params.by.value,
        "project": params.project,
        "since": _iso(params.since),
        "until": _iso(params.until),
        "rows": [_row_as_json(row) for row in result.rows],
        "total": _row_as_json(total(result.rows)),
        "pending": {"stream": result.in_stream, "spool": result.on_disk},
        "rejected": result.rejected,
    }


def _row_as_json(row: UsageRow) -> dict[str, Any]:
    amounts = {"cost_usd": usd(row.cost_nanos), "saved_usd": usd(row.saved_nanos)}
    return {**msgspec.structs.asdict(row), **amounts}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _print(params: UsageParams, result: UsageResult) -> None:
    screen = Console()
    if not screen.is_terminal:
        screen.width = _PIPE_WIDTH
    table, left_out = fit_table(screen, params.by, result.rows)
    screen.print(table)
    for remark in _footer(result):
        typer.echo(remark)
    if left_out:
        typer.echo(
            f"Columns left out because the terminal is too narrow: {', '.join(left_out)}. Use --json to see everything."
        )


def fit_table(screen: Console, by: GroupBy, rows: list[UsageRow]) -> tuple[Table, tuple[str, ...]]:
    """Return the widest table that fits, and the columns left out: the least important ones go first."""
    for count in range(len(_OPTIONAL_COLUMNS) + 1):
        left_out = _OPTIONAL_COLUMNS[:count]
        table = _table(by, rows, left_out)
        if Measurement.get(screen, screen.options.update_width(_PIPE_WIDTH), table).maximum <= screen.width:
            break
    return table, left_out


def _table(by: GroupBy, rows: list[UsageRow], left_out: tuple[str, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column(by.value, footer="total", overflow="fold", max_width=_NAME_WIDTH)
    for title, figure in _figures(total(rows), left_out).items():
        table.add_column(title, footer=figure, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(_group_text(row), *_figures(row, left_out).values())
    return table


def _figures(row: UsageRow, left_out: tuple[str, ...]) -> dict[str, str]:
    figures = {
        "calls": f"{row.calls:,}",
        "hits": f"{row.hits:,}",
        "joined": f"{row.joined:,}",
        "errors": f"{row.errors:,}",
        "input": f"{row.input_tokens:,}",
        "cached": f"{row.cached_tokens:,}",
        "output": f"{row.output_tokens:,}",
        "reasoning": f"{row.reasoning_tokens:,}",
        "cost USD": usd(row.cost_nanos),
        "saved USD": usd(row.saved_nanos),
    }
    return {title: figure for title, figure in figures.items() if title not in left_out}


def _group_text(row: UsageRow) -> Text:
    """Return a row's name without markup and control characters: callers choose some of the names."""
    name = f"{row.group or '(none)'} {row.name or ''}".rstrip()
    return Text("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name))


def _footer(result: UsageResult) -> list[str]:
    remarks = []
    if result.in_stream is None:
        remarks.append("Redis did not answer: the number of requests not yet in this report is unknown.")
    on_their_way = (result.in_stream or 0) + result.on_disk
    if on_their_way:
        remarks.append(
            f"{on_their_way:,} more requests are not in this report yet ({result.on_disk:,} of them on disk)."
        )
    if result.rejected:
        remarks.append(
            f"{result.rejected:,} entries were rejected and are not in this report: see the table ledger_rejected."
        )
    return remarks

"""`tidegate keys`: make, list and revoke API keys."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidegate.admission.key_store import STALE_SECONDS, KeyRecord, KeyStore, NewKey
from tidegate.cli.stores import plain_errors, ready
from tidegate.connections.postgres import Postgres
from tidegate.connections.redis import RedisLink
from tidegate.core import config
from tidegate.core.clock import SystemClock
from tidegate.core.config import Settings
from tidegate.embedded import Stores

keys_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")

_Result = TypeVar("_Result")
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PATIENCE = 2.0
"""Seconds a command waits for Redis; a person at a terminal has more time than a request."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@keys_app.command()
def create(
    project: Annotated[str, typer.Option(help="Who it acts for; spending and cache are kept apart by project.")],
    name: Annotated[str, typer.Option(help="What it is for, to tell it from others.")] = "",
    expires: Annotated[str | None, typer.Option(help="When it ends: 30d, 12h, 45m, 2w, or an ISO date.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: the only time it is shown."""
    if not project.strip() or not (project + name).isprintable():
        raise typer.BadParameter("a project needs a name, and names are printable text")
    expires_at = None if expires is None else expiry(expires, SystemClock().now())
    made = _with_store(lambda store: store.create(project=project.strip(), name=name, expires_at=expires_at))
    if as_json:
        typer.echo(msgspec.json.encode({"key": made.token, **msgspec.to_builtins(made.record)}))
    else:
        _show_new(made)


@keys_app.command("list")
def list_keys(
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None, as_json: AsJson = False
) -> None:
    """List the keys, by their last four characters."""
    now = SystemClock().now()
    records = _with_store(lambda store: store.list(project))
    if as_json:
        rows = [{**msgspec.to_builtins(record), "state": record.state(now)} for record in records]
        typer.echo(msgspec.json.encode(rows))
    elif records:
        # into a pipe nothing is cut off: the ids are there to be copied
        Console(width=None if sys.stdout.isatty() else 200).print(_table(records, now))
    else:
        typer.echo("There are no keys yet; `tidegate keys create --project NAME` makes one.")


@keys_app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, as `tidegate keys list` shows it.")]) -> None:
    """End a key for good."""
    announced = _with_store(lambda store: store.revoke(key_id))
    if announced is None:
        typer.secho(f"There is no key {key_id}; `tidegate keys list` shows the ids.", err=True, fg=typer.colors.RED)
        raise typer.Exit(1)
    when = "within a second" if announced else f"within {STALE_SECONDS:g} s (Redis did not answer)"
    typer.echo(f"Revoked {key_id}. Every gateway process refuses it {when}.")


def expiry(text: str, now: float) -> float:
    """Unix seconds of a moment written as a span from `now` or as an ISO date (UTC unless it says otherwise)."""
    span = re.fullmatch(r"([0-9]{1,6})([mhdw])", text.strip())
    try:
        moment = now + int(span[1]) * _UNITS[span[2]] if span else _iso_seconds(text.strip())
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is neither like 30d, 12h, 45m or 2w nor an ISO date") from error
    if moment <= now:
        raise typer.BadParameter(f"{text!r} is in the past")
    return moment


def _iso_seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _with_store(act: Callable[[KeyStore], Awaitable[_Result]]) -> _Result:
    async def run(stores: Stores, settings: Settings) -> _Result:
        async with _opened(stores, settings) as store:
            return await act(store)

    with plain_errors():
        settings = config.load()
        with ready(settings) as stores:
            return asyncio.run(run(stores, settings))


@contextlib.asynccontextmanager
async def _opened(stores: Stores, settings: Settings) -> AsyncIterator[KeyStore]:
    clock = SystemClock()
    postgres = Postgres(stores.database_url, size=1, timeout=settings.database.timeout_seconds)
    redis = RedisLink(stores.redis_url, timeout=_PATIENCE, clock=clock)
    await redis.start()
    try:
        yield KeyStore(postgres, redis, clock=clock, prefix=settings.redis.prefix)
    finally:
        await redis.close()
        await postgres.close()


def _show_new(made: NewKey) -> None:
    ends = f", until {_time(made.record.expires_at)}" if made.record.expires_at else ""
    typer.echo(f"{made.token}\n")
    typer.echo(f"This is key {made.record.id} of project {made.record.project}{ends}.")
    typer.echo("Keep it now: it is stored as a hash only and cannot be shown again.")


def _table(records: list[KeyRecord], now: float) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("id", no_wrap=True)
    for title in ("project", "name"):
        table.add_column(title, overflow="fold")
    for title in ("key", "state", "created"):
        table.add_column(title, no_wrap=True)
    for record in records:
        created = _time(record.created_at).partition(" ")[0]
        cells = (record.id, record.project, record.name, f"…{record.hint}", _state(record, now), created)
        table.add_row(*map(Text, cells))  # as Text, a name is never read as markup
    return table


def _state(record: KeyRecord, now: float) -> str:
    state = record.state(now)
    return f"{state} until {_time(record.expires_at)}" if state == "active" and record.expires_at else state


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")

"""`tidegate keys`: make, change, list and revoke API keys."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from msgspec import UNSET

from tidegate.auth.grants import KeyChange
from tidegate.auth.key_store import KeyRecord, NewKey
from tidegate.cli.commands import limit_options as options
from tidegate.cli.context import (
    CommandContext,
    command_error,
    print_json,
    print_table,
    propagation_time,
    run_with_context,
)
from tidegate.core.clock import SystemClock
from tidegate.web.admin.schemas import KeyView, NewKeyView

keys_app = typer.Typer(no_args_is_help=True, help="Make, change, list and revoke API keys.")

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
KeyId = Annotated[str, typer.Argument(help="The key's id, as `tidegate keys list` shows it.")]


@keys_app.command()
def create(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    project: Annotated[str, typer.Option(help="Who it acts for; spending and cache are kept apart by project.")],
    name: Annotated[str, typer.Option(help="What it is for, to tell it from others.")] = "",
    expires: Annotated[str | None, typer.Option(help="When it ends: 30d, 12h, 45m, 2w, or an ISO date.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="It administers the gateway, and asks no model.")] = False,
    rpm: options.Rpm = None,
    rpd: options.Rpd = None,
    tpm: options.Tpm = None,
    concurrency: options.Concurrency = None,
    budget_day: options.BudgetDay = None,
    budget_month: options.BudgetMonth = None,
    priority: options.PriorityName = None,
    models: options.Models = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: the only time it is shown."""
    if not project.strip() or not (project + name).isprintable():
        raise typer.BadParameter("a project needs a name, and names are printable text")
    now = SystemClock().now()
    expires_at = None if expires is None else parse_expiry(expires, now)
    limits = options.parse_limits(
        rpm=rpm, rpd=rpd, tpm=tpm, concurrency=concurrency, budget_day=budget_day, budget_month=budget_month
    )
    granted = KeyChange(limits=limits, priority=options.parse_priority(priority), models=options.parse_models(models))
    made = run_with_context(
        lambda desk: desk.keys.create(
            project=project.strip(), name=name, expires_at=expires_at, admin=admin, grants=granted
        )
    )
    if as_json:
        print_json(NewKeyView.of(made.record, now, key=made.token))
    else:
        _show_new(made)


@keys_app.command()
def update(  # noqa: PLR0913  # typer reads the options from the signature
    key_id: KeyId,
    *,
    name: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends: 30d, 12h, 45m, 2w, an ISO date, none.")] = None,
    rpm: options.Rpm = None,
    rpd: options.Rpd = None,
    tpm: options.Tpm = None,
    concurrency: options.Concurrency = None,
    budget_day: options.BudgetDay = None,
    budget_month: options.BudgetMonth = None,
    priority: options.PriorityName = None,
    models: options.Models = None,
    as_json: AsJson = False,
) -> None:
    """Change a key: only what is said; none takes a limit away."""
    if name is not None and not name.isprintable():
        raise typer.BadParameter("names are printable text")
    now = SystemClock().now()
    limits = options.parse_limits(
        rpm=rpm, rpd=rpd, tpm=tpm, concurrency=concurrency, budget_day=budget_day, budget_month=budget_month
    )
    change = KeyChange(
        name=UNSET if name is None else name,
        expires_at=UNSET if expires is None else None if expires == options.NONE else parse_expiry(expires, now),
        limits=limits,
        priority=options.parse_priority(priority),
        models=options.parse_models(models),
    )
    if change == KeyChange():
        raise typer.BadParameter("say what to change, like --rpm 60; `tidegate keys update --help` lists it")
    announced, record = _change(key_id, lambda desk: desk.keys.update(key_id, change))
    if as_json:
        print_json(KeyView.of(record, now))
    else:
        typer.echo(
            f"Changed {key_id}: {_grants_text(record)}. Every gateway process acts on it {propagation_time(announced)}."
        )


@keys_app.command("list")
def list_keys(
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None, as_json: AsJson = False
) -> None:
    """List the keys, by their last four characters."""
    now = SystemClock().now()
    records = run_with_context(lambda desk: desk.keys.list(project))
    if as_json:
        print_json(KeyView.of(record, now) for record in records)
    elif records:
        columns = dict.fromkeys(("id", "project", "name", "key", "state", "created", "limits"), False)
        print_table(columns | dict.fromkeys(("project", "name", "limits"), True), (_row(key, now) for key in records))
    else:
        typer.echo("There are no keys yet; `tidegate keys create --project NAME` makes one.")


@keys_app.command()
def revoke(key_id: KeyId, as_json: AsJson = False) -> None:
    """End a key for good."""
    announced, record = _change(key_id, lambda desk: desk.keys.revoke(key_id))
    if as_json:
        print_json(KeyView.of(record, SystemClock().now()))
    else:
        typer.echo(f"Revoked {key_id}. Every gateway process refuses it {propagation_time(announced)}.")


def parse_expiry(text: str, now: float) -> float:
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


def _change(key_id: str, change: Callable[[CommandContext], Awaitable[bool | None]]) -> tuple[bool, KeyRecord]:
    """Whether the processes were told, and the key as it is now."""

    async def act(desk: CommandContext) -> tuple[bool, KeyRecord] | None:
        announced = await change(desk)
        record = await desk.keys.get(key_id)
        return None if announced is None or record is None else (announced, record)

    done = run_with_context(act)
    if done is None:
        raise _unknown_key(key_id)
    return done


def _unknown_key(key_id: str) -> typer.Exit:
    return command_error(f"There is no key {key_id}; `tidegate keys list` shows the ids.")


def _show_new(made: NewKey) -> None:
    record = made.record
    ends = f", until {_time(record.expires_at)}" if record.expires_at else ""
    typer.echo(f"{made.token}\n")
    kind = "admin key" if record.admin else "key"
    typer.echo(f"This is {kind} {record.id} of project {record.project}{ends}: {_grants_text(record)}.")
    typer.echo("Keep it now: it is stored as a hash only and cannot be shown again.")


def _row(record: KeyRecord, now: float) -> tuple[str, ...]:
    created = _time(record.created_at).partition(" ")[0]
    state = _state(record, now) + (", admin" if record.admin else "")
    return (record.id, record.project, record.name, f"…{record.hint}", state, created, _grants_text(record))


def _grants_text(record: KeyRecord) -> str:
    """Limits, priority and models in a few words."""
    words = [options.limits_text(record.limits) or "no limits"]
    if record.priority is not None:
        words.append(f"priority {record.priority.label}")
    if record.models:
        words.append(f"only {', '.join(record.models)}")
    return "; ".join(words)


def _state(record: KeyRecord, now: float) -> str:
    state = record.state(now)
    return f"{state} until {_time(record.expires_at)}" if state == "active" and record.expires_at else state


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")

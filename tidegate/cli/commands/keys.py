"""`tidegate keys`: create, change, list, rotate, find and revoke API keys. The same over HTTP: web/admin/keys.py."""

import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from msgspec import UNSET

from tidegate.auth import key_format
from tidegate.auth.grants import KeyChange
from tidegate.auth.key_rotation import MAX_OVERLAP_SECONDS, KeyMatch
from tidegate.auth.key_store import KeyRecord, NewKey
from tidegate.cli import limit_options as options
from tidegate.cli.context import (
    CommandContext,
    command_error,
    print_json,
    print_table,
    print_warnings,
    printable,
    propagation_time,
    run_with_context,
)
from tidegate.cli.stores import Needs
from tidegate.core.clock import SystemClock
from tidegate.web.admin.keys import KeyMatchView, KeyView, NewKeyView

keys_app = typer.Typer(no_args_is_help=True, help="Create, change, list, rotate, find and revoke API keys.")

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_MAX_PASTED = 10_000
"""Characters of standard input in which `find` looks for a key."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="With --admin: the key sees everything and changes nothing.")
]
KeyId = Annotated[str, typer.Argument(help="The key's id, as listed by `tidegate keys list`.")]


@keys_app.command()
def create(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    project: Annotated[
        str, typer.Option(help="The key's project: spending, limits and cache are separate for each project.")
    ],
    name: Annotated[str, typer.Option(help="A name for the key, for example its purpose.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="Expiry: 45m, 12h, 30d or 2w from now, or an ISO date (UTC). Default: never.")
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Create an admin key: it may call `/admin/v1` and no model.")
    ] = False,
    read_only: ReadOnly = False,
    rpm: options.Rpm = None,
    rpd: options.Rpd = None,
    tpm: options.Tpm = None,
    concurrency: options.Concurrency = None,
    budget_day: options.BudgetDay = None,
    budget_week: options.BudgetWeek = None,
    budget_month: options.BudgetMonth = None,
    priority: options.PriorityName = None,
    models: options.Models = None,
    if_none: Annotated[
        bool, typer.Option("--if-none", help="Create nothing if the project has or had a key. For start scripts.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it. It is shown only this once."""
    _check_new(project, name, first_admin=admin and if_none, read_only_caller=read_only and not admin)
    now = SystemClock().now()
    expires_at = None if expires is None else parse_expiry(expires, now)
    limits = options.parse_limits(rpm=rpm, rpd=rpd, tpm=tpm, concurrency=concurrency, budget_day=budget_day,
                                  budget_week=budget_week, budget_month=budget_month)  # fmt: skip
    grants = KeyChange(limits=limits, priority=options.parse_priority(priority), models=options.parse_models(models))

    async def act(context: CommandContext) -> tuple[NewKey | None, list[str]]:
        keys, asked = context.keys, {"project": project.strip(), "name": name}
        if if_none:
            created = await keys.create_first(**asked, expires_at=expires_at, grants=grants)
        else:
            created = await keys.create(**asked, expires_at=expires_at, admin=admin, read_only=read_only, grants=grants)
        return created, _warnings(context, created.record) if created else []

    created, warnings = run_with_context(Needs.BOTH, act)
    if created is None:
        _show_none(project.strip(), as_json=as_json)
    elif as_json:
        print_json(NewKeyView.of(created.record, now, key=created.token, warnings=warnings))
    else:
        _show_new(created, warnings)


def _check_new(project: str, name: str, *, first_admin: bool, read_only_caller: bool) -> None:
    if read_only_caller:
        raise typer.BadParameter("--read-only is for admin keys: add --admin")
    if first_admin:
        raise typer.BadParameter("--admin and --if-none exclude each other: set auth.admin_key for a first admin key")
    if not project.strip() or not (project + name).isprintable():
        raise typer.BadParameter("the project must not be empty, and names must be printable text")


@keys_app.command()
def update(  # noqa: PLR0913  # typer reads the options from the signature
    key_id: KeyId,
    *,
    name: Annotated[str | None, typer.Option(help="A new name for the key.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="Expiry: 45m, 12h, 30d or 2w from now, or an ISO date (UTC); `none`: never.")
    ] = None,
    rpm: options.Rpm = None,
    rpd: options.Rpd = None,
    tpm: options.Tpm = None,
    concurrency: options.Concurrency = None,
    budget_day: options.BudgetDay = None,
    budget_week: options.BudgetWeek = None,
    budget_month: options.BudgetMonth = None,
    priority: options.PriorityName = None,
    models: options.Models = None,
    as_json: AsJson = False,
) -> None:
    """Change a key: only the given options; `none` removes a limit."""
    if name is not None and not name.isprintable():
        raise typer.BadParameter("names must be printable text")
    now = SystemClock().now()
    limits = options.parse_limits(rpm=rpm, rpd=rpd, tpm=tpm, concurrency=concurrency, budget_day=budget_day,
                                  budget_week=budget_week, budget_month=budget_month)  # fmt: skip
    change = KeyChange(
        name=UNSET if name is None else name,
        expires_at=UNSET if expires is None else None if expires == options.NONE else parse_expiry(expires, now),
        limits=limits,
        priority=options.parse_priority(priority),
        models=options.parse_models(models),
    )
    if change == KeyChange():
        raise typer.BadParameter(
            "nothing to change: pass at least one option, like --rpm 60 (see `tidegate keys update --help`)"
        )
    announced, record, warnings = _change(key_id, lambda context: context.keys.update(key_id, change))
    if as_json:
        print_json(KeyView.of(record, now, warnings=warnings))
    else:
        print_warnings(warnings)
        typer.echo(
            f"Changed {key_id}: {_grants_text(record)}. Every gateway process applies it {propagation_time(announced)}."
        )


@keys_app.command("list")
def list_keys(
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None, as_json: AsJson = False
) -> None:
    """List the keys. Of each secret only the last four characters are shown."""
    now = SystemClock().now()
    records = run_with_context(Needs.POSTGRES, lambda context: context.keys.list(project))
    if as_json:
        print_json(KeyView.of(record, now) for record in records)
    elif records:
        titles = ("id", "project", "name", "key", "state", "created", "last used", "limits")
        columns = dict.fromkeys(titles, False)
        print_table(columns | dict.fromkeys(("project", "name", "limits"), True), (_row(key, now) for key in records))
    else:
        typer.echo("There are no keys yet. Create one with `tidegate keys create --project NAME`.")
    if not as_json:
        for record in records:
            _show_replaced(record, now)


@keys_app.command()
def rotate(
    key_id: KeyId,
    *,
    overlap: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN", help="For how long the old secret stays valid: 45m, 24h, 30d or 2w; `0` stops it at once."
        ),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Make the old secret the only one again; the new one stops at once.")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Stop the old secret before the end of its overlap.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret and print it. The old one stays valid for the overlap.

    The key keeps its id, limits, budgets and history. Pass one of `--overlap`, `--undo` and `--finish`.
    """
    if (overlap is not None) + undo + finish != 1:
        raise typer.BadParameter("pass one of --overlap, --undo and --finish; --overlap 24h is usual")
    if overlap is None:
        _end_rotation(key_id, undo=undo, as_json=as_json)
        return
    seconds = parse_overlap(overlap)
    created = run_with_context(Needs.BOTH, lambda context: context.rotation.rotate(key_id, overlap=seconds))
    if as_json:
        print_json(NewKeyView.of(created.record, SystemClock().now(), key=created.token))
    else:
        _show_rotated(created)


@keys_app.command()
def find(as_json: AsJson = False) -> None:
    """Say whose key this is. It is read from standard input, or asked for at a terminal, and is no argument."""
    pasted = typer.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read(_MAX_PASTED)
    token = key_format.tidied(pasted)
    match = run_with_context(Needs.POSTGRES, lambda context: context.rotation.find(token))
    now = SystemClock().now()
    if match is None:
        raise command_error(_why_unknown(token))
    if as_json:
        print_json(KeyMatchView.of_match(match, now))
    else:
        _show_match(match, now)


@keys_app.command()
def revoke(key_id: KeyId, as_json: AsJson = False) -> None:
    """Revoke a key. This cannot be undone."""
    announced, record, _ = _change(key_id, lambda context: context.keys.revoke(key_id))
    if as_json:
        print_json(KeyView.of(record, SystemClock().now()))
    else:
        typer.echo(f"Revoked {key_id}. Every gateway process rejects it {propagation_time(announced)}.")


def parse_expiry(text: str, now: float) -> float:
    """Parse a time span from `now` or an ISO date (UTC by default) into Unix seconds. Raises BadParameter."""
    span = re.fullmatch(r"([0-9]{1,6})([mhdw])", text.strip())
    try:
        moment = now + int(span[1]) * _UNITS[span[2]] if span else _iso_seconds(text.strip())
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is neither a time span like 45m, 12h, 30d or 2w nor an ISO date") from error
    if moment <= now:
        raise typer.BadParameter(f"{text!r} is in the past")
    return moment


def parse_overlap(text: str) -> float:
    """Parse the length of an overlap into seconds. Raises BadParameter."""
    span = re.fullmatch(r"([0-9]{1,6})([mhdw])|0", text.strip())
    if span is None:
        raise typer.BadParameter(f"{text!r} is no time span like 45m, 24h, 30d or 2w, and not 0")
    seconds = int(span[1]) * _UNITS[span[2]] if span[1] else 0
    if seconds > MAX_OVERLAP_SECONDS:
        raise typer.BadParameter(f"{text!r} is longer than {MAX_OVERLAP_SECONDS // _UNITS['d']} days")
    return seconds


def _iso_seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _change(
    key_id: str, change: Callable[[CommandContext], Awaitable[bool | None]]
) -> tuple[bool, KeyRecord, list[str]]:
    """Change a key; return whether Redis announced it, the key after the change, and warnings of its budgets."""

    async def act(context: CommandContext) -> tuple[bool, KeyRecord, list[str]] | None:
        announced = await change(context)
        record = await context.keys.get(key_id)
        return None if announced is None or record is None else (announced, record, _warnings(context, record))

    outcome = run_with_context(Needs.BOTH, act)
    if outcome is None:
        raise _unknown_key(key_id)
    return outcome


def _end_rotation(key_id: str, *, undo: bool, as_json: bool) -> None:
    async def act(context: CommandContext) -> tuple[bool, KeyRecord | None]:
        announced = await (context.rotation.undo(key_id) if undo else context.rotation.finish(key_id))
        return announced, await context.keys.get(key_id)

    announced, record = run_with_context(Needs.BOTH, act)
    if record is None:
        raise _unknown_key(key_id)
    if as_json:
        print_json(KeyView.of(record, SystemClock().now()))
    else:
        done = "Undid the rotation of" if undo else "Finished the rotation of"
        typer.echo(
            f"{done} {key_id}: only the secret …{record.hint} is valid. Every gateway process applies it "
            f"{propagation_time(announced)}."
        )


def _why_unknown(token: str) -> str:
    if key_format.parse(token) is None:
        return (
            "The text is no key of a Tidegate gateway: those begin with sk-tg- and end with a checksum. "
            "It may have been cut off or mistyped."
        )
    return "No key of this gateway has or had this secret. It may belong to another gateway."


def _show_match(match: KeyMatch, now: float) -> None:
    record = match.record
    typer.echo(f"{record.id} of project {record.project}, name {record.name or '(none)'}: {_state(record, now)}.")
    if match.stops_at is not None:
        verb = "stops" if match.stops_at > now else "stopped"
        typer.echo(f"The secret was replaced by a rotation and {verb} at {_time(match.stops_at)}.")


def _show_rotated(created: NewKey) -> None:
    record = created.record
    typer.echo(f"{created.token}\n")
    replaced = record.replaced
    until = (
        "has stopped"
        if replaced is None or replaced.stops_at <= SystemClock().now()
        else (f"stays valid until {_time(replaced.stops_at)}")
    )
    typer.echo(f"Rotated {record.id} of project {record.project}; its old secret {until}.")
    typer.echo(f"Every gateway process applies it {propagation_time(created.announced)}.")
    typer.echo("Save the key now: only its hash is stored, so it cannot be shown again.")


def _show_replaced(record: KeyRecord, now: float) -> None:
    if (text := replaced_text(record, now)) is not None:
        typer.echo(text)


def replaced_text(record: KeyRecord, now: float) -> str | None:
    """Return who still sends a secret that was replaced; None if it has stopped and was not sent since."""
    replaced = record.replaced
    if replaced is None or record.state(now) != "active":
        return None
    valid, sent = replaced.stops_at > now, replaced.last_used_at
    if not valid and (sent is None or sent < replaced.stops_at):
        return None
    use = "was never used" if sent is None else f"was last used at {_time(sent)}"
    end = (
        f"stops at {_time(replaced.stops_at)}" if valid else f"stopped at {_time(replaced.stops_at)}, so it is rejected"
    )
    name = f" ({record.project}, {record.name})" if record.name else f" ({record.project})"
    return printable(f"{record.id}{name}: its replaced secret …{replaced.hint} {use}, and {end}.")


def _warnings(context: CommandContext, record: KeyRecord) -> list[str]:
    return context.budget_check.warnings(record.limits, models=record.models, at=SystemClock().now())


def _unknown_key(key_id: str) -> typer.Exit:
    return command_error(f"There is no key {key_id}. List the keys with `tidegate keys list`.")


def _show_none(project: str, *, as_json: bool) -> None:
    text = f"Created no key: the project {project} has or had one. List its keys with `tidegate keys list`."
    typer.echo("null" if as_json else text)


def _show_new(created: NewKey, warnings: list[str]) -> None:
    record = created.record
    ends = f", valid until {_time(record.expires_at)}" if record.expires_at else ""
    typer.echo(f"{created.token}\n")
    kind = "read-only admin key" if record.read_only else "admin key" if record.admin else "key"
    typer.echo(f"Created {kind} {record.id} of project {record.project}{ends}: {_grants_text(record)}.")
    typer.echo("Save the key now: only its hash is stored, so it cannot be shown again.")
    print_warnings(warnings)


def _row(record: KeyRecord, now: float) -> tuple[str, ...]:
    created = _time(record.created_at).partition(" ")[0]
    kind = ", read-only admin" if record.read_only else ", admin" if record.admin else ""
    state = _state(record, now) + kind
    used = "never" if record.last_used_at is None else _time(record.last_used_at)
    return (record.id, record.project, record.name, f"…{record.hint}", state, created, used, _grants_text(record))


def _grants_text(record: KeyRecord) -> str:
    """Return limits, priority and allowed models as short text."""
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

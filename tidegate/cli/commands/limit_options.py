"""Limits, priorities and models as they are written on the command line, and as they are shown in a table's cell."""

from typing import Annotated

import typer
from msgspec import UNSET, UnsetType

from tidegate.auth.grants import MAX_COUNT, MAX_RETENTION_DAYS, LimitsChange
from tidegate.core.money import InvalidAmount, nanos_of
from tidegate.core.values import Limits, Priority
from tidegate.metering.usage_report import usd

NONE = "none"
"""The word that takes a limit away."""


def _count(name: str, meaning: str) -> object:
    return typer.Option(name, metavar="COUNT", help=f"{meaning}; none: no limit.", rich_help_panel="Limits")


def _money(name: str, meaning: str) -> object:
    return typer.Option(name, metavar="USD", help=f"{meaning}, like 1.00; none: no limit.", rich_help_panel="Limits")


Rpm = Annotated[str | None, _count("--rpm", "Requests per minute")]
Rpd = Annotated[str | None, _count("--rpd", "Requests per UTC day")]
Tpm = Annotated[str | None, _count("--tpm", "Tokens per minute")]
Concurrency = Annotated[str | None, _count("--concurrency", "Calls in flight at once")]
BudgetDay = Annotated[str | None, _money("--budget-day", "US dollars per UTC day")]
BudgetMonth = Annotated[str | None, _money("--budget-month", "US dollars per UTC month")]
UserRpm = Annotated[str | None, _count("--user-rpm", "The same for each end user")]
UserRpd = Annotated[str | None, _count("--user-rpd", "The same for each end user")]
UserTpm = Annotated[str | None, _count("--user-tpm", "The same for each end user")]
UserConcurrency = Annotated[str | None, _count("--user-concurrency", "The same for each end user")]
UserBudgetDay = Annotated[str | None, _money("--user-budget-day", "The same for each end user")]
UserBudgetMonth = Annotated[str | None, _money("--user-budget-month", "The same for each end user")]
PriorityName = Annotated[
    str | None, typer.Option("--priority", metavar="CLASS", help="high, normal, low; none: not its own.")
]
RetentionDays = Annotated[
    str | None,
    typer.Option(
        "--retention-days", metavar="DAYS", help="How long what is stored from now on is kept; none: for ever."
    ),
]
Models = Annotated[
    str | None, typer.Option("--models", metavar="A,B", help="The models it may name, with commas; none: all.")
]


def parse_limits(begin: str = "", /, **said: str | None) -> LimitsChange:
    """What the options say, by the names of `LimitsChange`; `begin` is before each option's name in complaints."""
    change = {
        name: _amount(f"--{begin}{name.replace('_', '-')}", text) for name, text in said.items() if text is not None
    }
    return LimitsChange(**change)


def parse_priority(text: str | None) -> Priority | UnsetType | None:
    """A priority's name, `none`, or nothing said."""
    if text is None:
        return UNSET
    name = text.strip().lower()
    if name == NONE:
        return None
    found = {one.label: one for one in Priority}.get(name)
    if found is None:
        raise typer.BadParameter(f"--priority: {text!r} is none of high, normal, low and none")
    return found


def parse_retention_days(text: str | None) -> int | UnsetType | None:
    """A number of days, `none`, or nothing said."""
    if text is None:
        return UNSET
    text = text.strip().lower()
    if text == NONE:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_RETENTION_DAYS):
        raise typer.BadParameter(
            f"--retention-days: {text!r} is no number of days from 1 to {MAX_RETENTION_DAYS}, nor none for ever"
        )
    return int(text)


def parse_models(text: str | None) -> tuple[str, ...] | UnsetType:
    """Models' names with commas between, `none`, or nothing said."""
    if text is None:
        return UNSET
    if text.strip().lower() == NONE:
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(name and name.isprintable() for name in names):
        raise typer.BadParameter("--models: names with commas between them, like gpt-4o-mini,gpt-5")
    return names


def limits_text(limits: Limits) -> str:
    """The limits in a few words; empty where there are none."""
    words = [
        f"{value:,} {unit}"
        for value, unit in (
            (limits.rpm, "rpm"),
            (limits.rpd, "rpd"),
            (limits.tpm, "tpm"),
            (limits.concurrency, "at once"),
        )
        if value is not None
    ]
    money = ((limits.budget_day, "day"), (limits.budget_month, "month"))
    return ", ".join([*words, *(f"${usd(nanos)}/{period}" for nanos, period in money if nanos is not None)])


def _amount(option: str, text: str) -> int | None:
    text = text.strip()
    if text.lower() == NONE:
        return None
    if "budget" in option:
        try:
            return nanos_of(text)
        except InvalidAmount as error:
            raise typer.BadParameter(f"{option}: {error}, or none for no limit") from error
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_COUNT):
        raise typer.BadParameter(f"{option}: {text!r} is no whole number up to {MAX_COUNT:,}, nor none for no limit")
    return int(text)

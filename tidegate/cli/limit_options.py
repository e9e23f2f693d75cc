"""Options for limits, priority, models and retention, shared by `tidegate keys` and `tidegate projects`."""

from collections.abc import Mapping
from typing import Annotated

import typer
from msgspec import UNSET, UnsetType

from tidegate.auth.grants import MAX_COUNT, MAX_RETENTION_DAYS, LimitsChange
from tidegate.auth.tag_budget_store import TagBudgetChange
from tidegate.core.money import InvalidAmount, nanos_of
from tidegate.core.values import Limits, Priority
from tidegate.metering.reports.usage_report import usd

NONE = "none"
"""The value that removes a limit."""


def _count(name: str, meaning: str) -> object:
    return typer.Option(name, metavar="COUNT", help=f"{meaning}; `none` removes the limit.", rich_help_panel="Limits")


def _money(name: str, meaning: str) -> object:
    return typer.Option(
        name, metavar="USD", help=f"{meaning}, for example 1.00; `none` removes the limit.", rich_help_panel="Limits"
    )


Rpm = Annotated[str | None, _count("--rpm", "Requests per minute")]
Rpd = Annotated[str | None, _count("--rpd", "Requests per day")]
Tpm = Annotated[str | None, _count("--tpm", "Tokens per minute")]
Concurrency = Annotated[str | None, _count("--concurrency", "Concurrent requests")]
BudgetDay = Annotated[str | None, _money("--budget-day", "US dollars per day")]
BudgetWeek = Annotated[str | None, _money("--budget-week", "US dollars per week, from Monday")]
BudgetMonth = Annotated[str | None, _money("--budget-month", "US dollars per month")]
UserRpm = Annotated[str | None, _count("--user-rpm", "Requests per minute of each end user")]
UserRpd = Annotated[str | None, _count("--user-rpd", "Requests per day of each end user")]
UserTpm = Annotated[str | None, _count("--user-tpm", "Tokens per minute of each end user")]
UserConcurrency = Annotated[str | None, _count("--user-concurrency", "Concurrent requests of each end user")]
UserBudgetDay = Annotated[str | None, _money("--user-budget-day", "US dollars per day of each end user")]
UserBudgetWeek = Annotated[str | None, _money("--user-budget-week", "US dollars per week of each end user")]
UserBudgetMonth = Annotated[str | None, _money("--user-budget-month", "US dollars per month of each end user")]
PriorityName = Annotated[
    str | None,
    typer.Option(
        "--priority", metavar="CLASS", help="`high`, `normal` or `low`; `none` inherits the project's priority."
    ),
]
RetentionDays = Annotated[
    str | None,
    typer.Option("--retention-days", metavar="DAYS", help="Days to keep what is stored from now on; `none`: for ever."),
]
Models = Annotated[
    str | None, typer.Option("--models", metavar="A,B", help="Allowed models, separated by commas; `none`: all models.")
]


def parse_limits(begin: str = "", /, **said: str | None) -> LimitsChange:
    """Parse limit options, named as the fields of `LimitsChange`; `begin` begins the options' names in errors."""
    return LimitsChange(**_amounts(said, begin))


def parse_tag_budgets(**said: str | None) -> TagBudgetChange:
    """Parse budget options, named as the fields of `TagBudgetChange`. Raises BadParameter."""
    return TagBudgetChange(**_amounts(said))


def _amounts(said: Mapping[str, str | None], begin: str = "") -> dict[str, int | None]:
    return {
        name: _amount(f"--{begin}{name.replace('_', '-')}", text) for name, text in said.items() if text is not None
    }


def parse_priority(text: str | None) -> Priority | UnsetType | None:
    """Parse a priority's name or `none`; UNSET if the option is absent. Raises BadParameter."""
    if text is None:
        return UNSET
    name = text.strip().lower()
    if name == NONE:
        return None
    found = {one.label: one for one in Priority}.get(name)
    if found is None:
        raise typer.BadParameter(f"--priority: {text!r} must be high, normal, low or none")
    return found


def parse_retention_days(text: str | None) -> int | UnsetType | None:
    """Parse a number of days or `none`; UNSET if the option is absent. Raises BadParameter."""
    if text is None:
        return UNSET
    text = text.strip().lower()
    if text == NONE:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_RETENTION_DAYS):
        raise typer.BadParameter(
            f"--retention-days: {text!r} must be a number of days from 1 to {MAX_RETENTION_DAYS}, or none (for ever)"
        )
    return int(text)


def parse_models(text: str | None) -> tuple[str, ...] | UnsetType:
    """Parse model names or `none`; UNSET if the option is absent. Raises BadParameter."""
    if text is None:
        return UNSET
    if text.strip().lower() == NONE:
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(name and name.isprintable() for name in names):
        raise typer.BadParameter("--models: must be names separated by commas, like gpt-4o-mini,gpt-5")
    return names


def limits_text(limits: Limits) -> str:
    """Return the limits as short text; empty if there are none."""
    words = [
        f"{value:,} {unit}"
        for value, unit in (
            (limits.rpm, "rpm"),
            (limits.rpd, "rpd"),
            (limits.tpm, "tpm"),
            (limits.concurrency, "concurrent"),
        )
        if value is not None
    ]
    money = ((limits.budget_day, "day"), (limits.budget_week, "week"), (limits.budget_month, "month"))
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
        raise typer.BadParameter(f"{option}: {text!r} must be a whole number up to {MAX_COUNT:,}, or none for no limit")
    return int(text)

"""Grants of keys and projects (limits, priority, models, retention) and the columns that store them. No I/O.

The stores of keys and projects use this to read and write rows; the admin API and the CLI build the changes.
"""

from typing import Any, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from tidegate.core.values import Limits, Priority

MAX_COUNT = 2**31 - 1
"""The largest value of a limit that is a count: the largest integer of PostgreSQL."""

MAX_RETENTION_DAYS = 3650
"""The most days that a project may keep conversations for, unless it keeps them for ever."""

_COUNTS = ("rpm", "rpd", "tpm", "concurrency")
_BUDGETS = ("budget_day", "budget_week", "budget_month")


class GrantRow(Protocol):
    """A row of a query's result."""

    def __getitem__(self, column: str) -> Any:
        """Return the column's value."""


class LimitsChange(msgspec.Struct, frozen=True, kw_only=True):
    """Limits to set, with the fields of `Limits`. None removes a limit, UNSET leaves it as it is."""

    rpm: int | UnsetType | None = UNSET
    rpd: int | UnsetType | None = UNSET
    tpm: int | UnsetType | None = UNSET
    concurrency: int | UnsetType | None = UNSET
    budget_day: int | UnsetType | None = UNSET
    budget_week: int | UnsetType | None = UNSET
    budget_month: int | UnsetType | None = UNSET


_NO_CHANGE = LimitsChange()


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change to a key; UNSET leaves a field as it is."""

    name: str | UnsetType = UNSET
    expires_at: float | UnsetType | None = UNSET
    """Unix seconds, or None for never."""
    limits: LimitsChange = _NO_CHANGE
    priority: Priority | UnsetType | None = UNSET
    """None: the project's priority applies."""
    models: tuple[str, ...] | UnsetType = UNSET
    """The models it may use; empty for all."""

    def columns(self) -> bytes:
        """Return the changed columns of the table `keys` as a JSON object."""
        models = self.models if self.models is UNSET else self.models or None
        return _without_unset({**_limits(self.limits, ""), "priority": _label(self.priority), "models": models})


class ProjectChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change to a project; UNSET leaves a field as it is."""

    limits: LimitsChange = _NO_CHANGE
    user_limits: LimitsChange = _NO_CHANGE
    """The limits of each of its end users."""
    priority: Priority | UnsetType | None = UNSET
    retention_days: int | UnsetType | None = UNSET
    """Days for which conversations stored from now on are kept; None for ever."""

    def columns(self) -> bytes:
        """Return the changed columns of the table `projects` as a JSON object."""
        limits = {**_limits(self.limits, ""), **_limits(self.user_limits, "user_")}
        return _without_unset({**limits, "priority": _label(self.priority), "retention_days": self.retention_days})


def limits_of(row: GrantRow, prefix: str = "") -> Limits:
    """Return the limits in the columns of `row` whose names begin with `prefix`."""
    counts = {name: row[prefix + name] for name in _COUNTS}
    return Limits(**counts, **{name: row[f"{prefix}{name}_nanos"] for name in _BUDGETS})


def priority_of(row: GrantRow) -> Priority | None:
    """Return the priority in the column `priority`, or None."""
    return None if row["priority"] is None else Priority[row["priority"].upper()]


def _limits(change: LimitsChange, begin: str) -> dict[str, Any]:
    counts = {begin + name: getattr(change, name) for name in _COUNTS}
    return {**counts, **{f"{begin}{name}_nanos": getattr(change, name) for name in _BUDGETS}}


def _label(priority: Priority | UnsetType | None) -> str | UnsetType | None:
    return priority.label if isinstance(priority, Priority) else priority


def _without_unset(columns: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in columns.items() if value is not UNSET})

"""What a key or a project is granted, and the columns that say so. Pure."""

from typing import Any, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from tidegate.core.values import Limits, Priority

MAX_COUNT = 2**31 - 1
"""The largest limit that is a count: PostgreSQL's integer."""

MAX_RETENTION_DAYS = 3650
"""Days that a project may keep what was said, unless it keeps it for ever."""

_COUNTS = ("rpm", "rpd", "tpm", "concurrency")
_BUDGETS = ("budget_day", "budget_month")


class GrantRow(Protocol):
    """A row of a query's answer."""

    def __getitem__(self, column: str) -> Any:
        """The column's value."""


class LimitsChange(msgspec.Struct, frozen=True, kw_only=True):
    """Limits to set, as `Limits` has them; None takes one away, UNSET leaves it as it is."""

    rpm: int | UnsetType | None = UNSET
    rpd: int | UnsetType | None = UNSET
    tpm: int | UnsetType | None = UNSET
    concurrency: int | UnsetType | None = UNSET
    budget_day: int | UnsetType | None = UNSET
    budget_month: int | UnsetType | None = UNSET


_NO_CHANGE = LimitsChange()


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a key; UNSET leaves it as it is."""

    name: str | UnsetType = UNSET
    expires_at: float | UnsetType | None = UNSET
    """Unix seconds, or None for never."""
    limits: LimitsChange = _NO_CHANGE
    priority: Priority | UnsetType | None = UNSET
    """None: the project's."""
    models: tuple[str, ...] | UnsetType = UNSET
    """Empty for all."""

    def columns(self) -> bytes:
        """What is granted: a JSON object of columns of the table `keys`."""
        models = self.models if self.models is UNSET else self.models or None
        return _without_unset({**_limits(self.limits, ""), "priority": _label(self.priority), "models": models})


class ProjectChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a project; UNSET leaves it as it is."""

    limits: LimitsChange = _NO_CHANGE
    user_limits: LimitsChange = _NO_CHANGE
    """For each end user."""
    priority: Priority | UnsetType | None = UNSET
    retention_days: int | UnsetType | None = UNSET
    """How long what is said from now on is kept; None for ever."""

    def columns(self) -> bytes:
        """What is granted: a JSON object of columns of the table `projects`."""
        limits = {**_limits(self.limits, ""), **_limits(self.user_limits, "user_")}
        return _without_unset({**limits, "priority": _label(self.priority), "retention_days": self.retention_days})


def limits_of(row: GrantRow, prefix: str = "") -> Limits:
    """The limits in those columns of `row` whose names begin with `begin`."""
    counts = {name: row[prefix + name] for name in _COUNTS}
    return Limits(**counts, **{name: row[f"{prefix}{name}_nanos"] for name in _BUDGETS})


def priority_of(row: GrantRow) -> Priority | None:
    """The priority in the column of that name."""
    return None if row["priority"] is None else Priority[row["priority"].upper()]


def _limits(change: LimitsChange, begin: str) -> dict[str, Any]:
    counts = {begin + name: getattr(change, name) for name in _COUNTS}
    return {**counts, **{f"{begin}{name}_nanos": getattr(change, name) for name in _BUDGETS}}


def _label(priority: Priority | UnsetType | None) -> str | UnsetType | None:
    return priority.label if isinstance(priority, Priority) else priority


def _without_unset(columns: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in columns.items() if value is not UNSET})

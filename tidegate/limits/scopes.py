"""Limit scopes, reservations and charges: the values that the Lua scripts for limits read.

A request counts in several scopes at once: its key, its project, its end user and the whole deployment. Before it goes
upstream it reserves the most that it may cost in all of them (`Reservation`), and at its end it is charged what it did
cost (`Charge`). The Python fields have whole names; `rename` maps them to the short names that the scripts read and
that Redis stores. No I/O.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from tidegate.core.tags import EVERY_VALUE, Tag
from tidegate.core.values import Caller, Limits
from tidegate.storage.names import path

_SCOPE_WIRE = {"name": "n", "concurrency": "cc", "budget_day": "bd", "budget_week": "bw", "budget_month": "bm"}
_COST_WIRE = {"scope_names": "n", "day": "d", "week": "w", "month": "m", "tokens": "k", "cost_nanos": "c"}
_RESERVATION_WIRE = {
    **_COST_WIRE,
    "prefix": "p",
    "lease_seconds": "lease",
    "readmitted": "again",
    "zone": "z",
    "max_names": "u",
}
_CHARGE_WIRE = {**_COST_WIRE, "dataset_id": "held"}


class LimitScope(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename=_SCOPE_WIRE):
    """A scope and its limits: a key, a project, an end user or the whole deployment. None: no limit."""

    name: str
    """`key/ID`, `project/NAME`, `user/PROJECT/NAME`, `tag/PROJECT/NAME/VALUE` or `all`.

    `project_scope`, `user_scope` and `tag_scope` escape the names.
    """
    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    """Requests in flight at the same time."""
    budget_day: int | None = None
    """Budget per day, in nano-dollars."""
    budget_week: int | None = None
    """Budget per week, in nano-dollars."""
    budget_month: int | None = None
    """Budget per month, in nano-dollars."""

    @property
    def spends(self) -> bool:
        """Whether the scope limits cost or tokens."""
        return self.tpm is not None or self.limits_money

    @property
    def budgets(self) -> tuple[int | None, ...]:
        """The budgets of all periods, in nano-dollars; None where a period has none."""
        return self.budget_day, self.budget_week, self.budget_month

    @property
    def limits_money(self) -> bool:
        """Whether the scope has a budget."""
        return any(budget is not None for budget in self.budgets)


class Reservation(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename=_RESERVATION_WIRE):
    """What a request reserves: the most it may use of each limit. The scripts read it, see `limits.lua`."""

    prefix: str
    """Prefix of all Redis keys, in braces."""
    id: str
    """The request's id."""
    day: str
    month: str
    midnight: float
    month_end: float
    scope_names: tuple[str, ...]
    """The names of all scopes the request counts in."""
    scopes: tuple[LimitScope, ...]
    """The scopes among them that have a limit."""
    tokens: int
    """The most tokens the request may take."""
    cost_nanos: int
    """The most the request can cost, in nano-dollars."""
    lease_seconds: float
    """Seconds after which the request is charged in full if its process has not renewed the reservation."""
    week: str = ""
    """Empty: no week is counted."""
    week_end: float = 0.0
    zone: str = ""
    """The time zone of day, week and month; empty for UTC."""
    max_names: int | None = None
    """How many end users, and values of tags, with limits a project may name in a period; None: any number."""
    readmitted: bool = False
    """The request was admitted before: its earlier reservation is dropped first."""


class Charge(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename=_CHARGE_WIRE):
    """What a request did cost, as the script `settle` reads it, see `reservations.lua`."""

    id: str
    scope_names: tuple[str, ...]
    """The names of the scopes to charge."""
    day: str
    month: str
    cost_nanos: int
    """The actual cost in nano-dollars."""
    tokens: int
    """The tokens that were used."""
    dataset_id: str
    """The id of the Redis data set in which the request was admitted; empty where Redis was away."""
    week: str = ""
    """Empty: no week is counted."""
    late: bool = False
    """The settlement was delayed, so the request's entry may have reached the ledger earlier."""


ALL_CALLERS = "all"
MAX_END_USER_LENGTH = 256
"""Characters; the ledger cuts names of end users at the same length."""


class CallerScopes(msgspec.Struct, frozen=True, gc=False):
    """The scopes that a request counts in."""

    names: tuple[str, ...]
    limiting: tuple[LimitScope, ...]
    """The scopes that have a limit."""
    limit_spending: bool
    """Whether any of the scopes limits cost or tokens."""
    smallest_budget: int | None
    """The smallest budget of all scopes and periods, in nano-dollars; None where money is not limited."""


def caller_scopes(
    caller: Caller, end_user: str | None, global_limits: Limits, tags: Mapping[str, str] | None = None
) -> CallerScopes:
    """Return the scopes of a request: key, project, the end user if end users are limited, and the whole deployment.

    Also each of its tags that has limits: its own, or those of each value of its name.
    """
    limits = {
        f"key/{caller.key_id}": caller.limits,
        project_scope(caller.project): caller.project_limits,
    }
    if end_user and not caller.user_limits.is_unlimited:
        limits[user_scope(caller.project, _as_in_ledger(end_user))] = caller.user_limits
    if tags and caller.tag_limits:
        for name, value in tags.items():
            tag_limits = caller.tag_limits.get(Tag(name, value)) or caller.tag_limits.get(Tag(name, EVERY_VALUE))
            if tag_limits is not None:
                limits[tag_scope(caller.project, name, value)] = tag_limits
    limits[ALL_CALLERS] = global_limits
    limiting = tuple(
        [_scope(name, scope_limits) for name, scope_limits in limits.items() if not scope_limits.is_unlimited]
    )
    budgets = [budget for scope in limiting for budget in scope.budgets if budget is not None]
    return CallerScopes(tuple(limits), limiting, any(scope.spends for scope in limiting), min(budgets, default=None))


class ScopeMemory:
    """Keep the scopes of callers: most requests of a key count in the same ones.

    They are kept for a `Caller` itself and not for its key: the key cache makes a new one when a key or its project
    changes, and what was kept for the one before is not found again.
    """

    def __init__(self, global_limits: Limits, *, size: int = 10_000) -> None:
        """`global_limits` are those of the whole deployment; `size` is the most keys that are kept."""
        self._global_limits = global_limits
        self._size = size
        self._kept: dict[str, tuple[Caller, CallerScopes, bool]] = {}

    def of(self, caller: Caller, end_user: str | None, tags: Mapping[str, str] | None = None) -> CallerScopes:
        """Return the scopes that a request counts in, as `caller_scopes` does."""
        kept = self._kept.get(caller.key_id)
        if kept is None or kept[0] is not caller:
            kept = self._keep(caller)
        _, scopes, limits_users = kept
        if (end_user and limits_users) or (tags and caller.tag_limits):
            return caller_scopes(caller, end_user, self._global_limits, tags)
        return scopes

    def _keep(self, caller: Caller) -> tuple[Caller, CallerScopes, bool]:
        if len(self._kept) >= self._size:
            self._kept.pop(next(iter(self._kept)))
        scopes = caller_scopes(caller, None, self._global_limits)
        kept = self._kept[caller.key_id] = (caller, scopes, not caller.user_limits.is_unlimited)
        return kept


@lru_cache(maxsize=1000)
def project_scope(project: str) -> str:
    """Return the name of a project's scope."""
    return path("project", project)


@lru_cache(maxsize=1000)
def user_scope(project: str, end_user: str) -> str:
    """Return the name of an end user's scope: end user `b` of project `t/a` is not end user `a/b` of project `t`."""
    return path("user", project, end_user)


@lru_cache(maxsize=1000)
def tag_scope(project: str, name: str, value: str) -> str:
    """Return the name of the scope of a project's tag."""
    return path("tag", project, name, value)


def without_request_count(reservation: Reservation, *, name: str | None = None) -> Reservation:
    """Return the reservation of a request that is admitted a second time, without limits on requests.

    Under a new `name` it is not limited by requests in flight either.
    """
    unlimited = {"rpm": None, "rpd": None} if name is None else {"rpm": None, "rpd": None, "concurrency": None}
    scopes = tuple(msgspec.structs.replace(scope, **unlimited) for scope in reservation.scopes)
    return msgspec.structs.replace(reservation, id=name or reservation.id, scopes=scopes, readmitted=name is None)


def for_retry(reservation: Reservation, name: str) -> Reservation:
    """Return the reservation of one more upstream attempt: under a `name` of its own, and of its cost alone."""
    scopes = tuple(
        LimitScope(
            name=scope.name,
            budget_day=scope.budget_day,
            budget_week=scope.budget_week,
            budget_month=scope.budget_month,
        )
        for scope in reservation.scopes
    )
    return msgspec.structs.replace(reservation, id=name, scopes=scopes, tokens=0)


def _as_in_ledger(end_user: str) -> str:
    # the ledger cuts and cleans this name, which callers choose; sums over the ledger must find the same name
    return end_user.replace("\0", "")[:MAX_END_USER_LENGTH].encode(errors="replace").decode()


def _scope(name: str, limits: Limits) -> LimitScope:
    return LimitScope(
        name=name,
        rpm=limits.rpm,
        rpd=limits.rpd,
        tpm=limits.tpm,
        concurrency=limits.concurrency,
        budget_day=limits.budget_day,
        budget_week=limits.budget_week,
        budget_month=limits.budget_month,
    )

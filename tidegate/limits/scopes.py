"""What a call asks of the limits and budgets that apply to it, and what it leaves behind."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from tidegate.core.values import Caller, Limits

_SCOPE_WIRE = {"name": "n", "concurrency": "cc", "budget_day": "bd", "budget_month": "bm"}
_COST_WIRE = {"scope_names": "n", "day": "d", "month": "m", "tokens": "k", "cost_nanos": "c"}
_RESERVATION_WIRE = {**_COST_WIRE, "prefix": "p", "lease_seconds": "lease", "readmitted": "again"}
_CHARGE_WIRE = {**_COST_WIRE, "dataset_id": "held"}


class LimitScope(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename=_SCOPE_WIRE):
    """Whose limits: a key's, a project's, an end user's, or everybody's. Limits that are not set are None."""

    name: str
    """`key/ID`, `project/NAME`, `user/PROJECT/NAME` or `all`."""
    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    """Calls in flight."""
    budget_day: int | None = None
    """Budget a UTC day, nano-dollars."""
    budget_month: int | None = None
    """Budget a UTC month, nano-dollars."""

    @property
    def spends(self) -> bool:
        """Whether what a call may cost, or its tokens, matter to it."""
        return self.tpm is not None or self.budget_day is not None or self.budget_month is not None


class BudgetPeriod(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The UTC day and month of a moment, and when they end, in Unix seconds."""

    day: str
    month: str
    midnight: float
    month_end: float


class Reservation(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename=_RESERVATION_WIRE):
    """As the script `limits.lua` reads them."""

    prefix: str
    """Prefix of all keys, in braces."""
    id: str
    """The request's id."""
    day: str
    month: str
    midnight: float
    month_end: float
    scope_names: tuple[str, ...]
    """The names of all scopes the call counts in."""
    scopes: tuple[LimitScope, ...]
    """Those of them that limit something."""
    tokens: int
    """Tokens the call may take."""
    cost_nanos: int
    """The most it can cost, nano-dollars."""
    lease_seconds: float
    """Seconds after which a call whose process is silent is lost."""
    readmitted: bool = False
    """It was admitted before, and gives up what it held."""


class Charge(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename=_CHARGE_WIRE):
    """What a call came to, as the script `holds.lua` reads it."""

    id: str
    scope_names: tuple[str, ...]
    """The scopes to charge."""
    day: str
    month: str
    cost_nanos: int
    """What it cost, nano-dollars."""
    tokens: int
    """The tokens it took."""
    dataset_id: str
    """The name of Redis's memory in which it was admitted; empty where Redis was away."""
    late: bool = False
    """Redis could not be told at once, so that its line may have reached the ledger before."""


ALL_CALLERS = "all"
MAX_END_USER_LENGTH = 256
"""Characters, as in the ledger."""


class CallerScopes(msgspec.Struct, frozen=True, gc=False):
    """What a call counts in."""

    names: tuple[str, ...]
    limiting: tuple[LimitScope, ...]
    """Those that limit something."""

    @property
    def limit_spending(self) -> bool:
        """Whether what a call may cost, or its tokens, matter to any of them."""
        return any(scope.spends for scope in self.limiting)


def caller_scopes(caller: Caller, end_user: str | None, global_limits: Limits) -> CallerScopes:
    """The scopes that a call counts in: key, project, the end user where users are limited, everybody."""
    limits = {
        f"key/{caller.key_id}": caller.limits,
        f"project/{caller.project}": caller.project_limits,
    }
    if end_user and not caller.user_limits.is_unlimited:
        limits[f"user/{caller.project}/{_as_in_ledger(end_user)}"] = caller.user_limits
    limits[ALL_CALLERS] = global_limits
    limiting = tuple([_scope(name, its) for name, its in limits.items() if not its.is_unlimited])
    return CallerScopes(tuple(limits), limiting)


def without_request_count(reservation: Reservation, *, name: str | None = None) -> Reservation:
    """The terms of a call that asks once more: it is no other request, nor, under another `name`, another in flight."""
    freed = {"rpm": None, "rpd": None} if name is None else {"rpm": None, "rpd": None, "concurrency": None}
    scopes = tuple(msgspec.structs.replace(scope, **freed) for scope in reservation.scopes)
    return msgspec.structs.replace(reservation, id=name or reservation.id, scopes=scopes, readmitted=name is None)


def for_retry(reservation: Reservation, name: str) -> Reservation:
    """The terms of one more attempt of a call: under a `name` of its own, its money alone."""
    scopes = tuple(
        LimitScope(name=scope.name, budget_day=scope.budget_day, budget_month=scope.budget_month)
        for scope in reservation.scopes
    )
    return msgspec.structs.replace(reservation, id=name, scopes=scopes, tokens=0)


def period_of(now: float) -> BudgetPeriod:
    """The UTC day and month of a moment in Unix seconds."""
    return _period_of_day(int(now // 86_400))


@lru_cache(maxsize=4)
def _period_of_day(number: int) -> BudgetPeriod:
    day = datetime.fromtimestamp(number * 86_400, UTC)
    next_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return BudgetPeriod(
        day=day.strftime("%Y-%m-%d"),
        month=day.strftime("%Y-%m"),
        midnight=(day + timedelta(days=1)).timestamp(),
        month_end=next_month.timestamp(),
    )


def _as_in_ledger(end_user: str) -> str:
    # the ledger cuts and cleans what callers choose; a count of it must find the same name
    return end_user.replace("\0", "")[:MAX_END_USER_LENGTH].encode(errors="replace").decode()


def _scope(name: str, limits: Limits) -> LimitScope:
    return LimitScope(
        name=name,
        rpm=limits.rpm,
        rpd=limits.rpd,
        tpm=limits.tpm,
        concurrency=limits.concurrency,
        budget_day=limits.budget_day,
        budget_month=limits.budget_month,
    )

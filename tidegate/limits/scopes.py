"""What a call asks of the limits and budgets that apply to it, and what it leaves behind."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from tidegate.core.values import Caller, Limits


class Scope(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Whose limits: a key's, a project's, an end user's, or everybody's. Limits that are not set are None."""

    n: str
    """`key/ID`, `project/NAME`, `user/PROJECT/NAME` or `all`."""
    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    cc: int | None = None
    """Calls in flight."""
    bd: int | None = None
    """Budget a UTC day, nano-dollars."""
    bm: int | None = None
    """Budget a UTC month, nano-dollars."""

    @property
    def spends(self) -> bool:
        """Whether what a call may cost, or its tokens, matter to it."""
        return self.tpm is not None or self.bd is not None or self.bm is not None


class Period(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The UTC day and month of a moment, and when they end, in Unix seconds."""

    day: str
    month: str
    midnight: float
    month_end: float


class Terms(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """As the script `limits.lua` reads them."""

    p: str
    """Prefix of all keys, in braces."""
    id: str
    """The request's id."""
    d: str
    m: str
    midnight: float
    month_end: float
    n: tuple[str, ...]
    """The names of all scopes the call counts in."""
    scopes: tuple[Scope, ...]
    """Those of them that limit something."""
    k: int
    """Tokens the call may take."""
    c: int
    """The most it can cost, nano-dollars."""
    lease: float
    """Seconds after which a call whose process is silent is lost."""
    again: bool = False
    """It was admitted before, and gives up what it held."""


class Done(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a call came to, as the script `holds.lua` reads it."""

    id: str
    n: tuple[str, ...]
    """The scopes to charge."""
    d: str
    m: str
    c: int
    """What it cost, nano-dollars."""
    k: int
    """The tokens it took."""
    held: str
    """The name of Redis's memory in which it was admitted; empty where Redis was away."""
    late: bool = False
    """Redis could not be told at once, so that its line may have reached the ledger before."""


EVERYBODY = "all"
LONGEST_END_USER = 256
"""Characters, as in the ledger."""


class Scopes(msgspec.Struct, frozen=True, gc=False):
    """What a call counts in."""

    names: tuple[str, ...]
    limiting: tuple[Scope, ...]
    """Those that limit something."""

    @property
    def spend(self) -> bool:
        """Whether what a call may cost, or its tokens, matter to any of them."""
        return any(scope.spends for scope in self.limiting)


def scopes_of(caller: Caller, end_user: str | None, everybody: Limits) -> Scopes:
    """The scopes that a call counts in: key, project, the end user where users are limited, everybody."""
    limits = {
        f"key/{caller.key_id}": caller.limits,
        f"project/{caller.project}": caller.project_limits,
    }
    if end_user and not caller.user_limits.none:
        limits[f"user/{caller.project}/{_as_in_ledger(end_user)}"] = caller.user_limits
    limits[EVERYBODY] = everybody
    limiting = tuple([_scope(name, its) for name, its in limits.items() if not its.none])
    return Scopes(tuple(limits), limiting)


def readmitted(terms: Terms, *, name: str | None = None) -> Terms:
    """The terms of a call that asks once more: it is no other request, nor, under another `name`, another in flight."""
    freed = {"rpm": None, "rpd": None} if name is None else {"rpm": None, "rpd": None, "cc": None}
    scopes = tuple(msgspec.structs.replace(scope, **freed) for scope in terms.scopes)
    return msgspec.structs.replace(terms, id=name or terms.id, scopes=scopes, again=name is None)


def resent(terms: Terms, name: str) -> Terms:
    """The terms of one more attempt of a call: under a `name` of its own, its money alone."""
    scopes = tuple(Scope(n=scope.n, bd=scope.bd, bm=scope.bm) for scope in terms.scopes)
    return msgspec.structs.replace(terms, id=name, scopes=scopes, k=0)


def period_of(now: float) -> Period:
    """The UTC day and month of a moment in Unix seconds."""
    return _period_of_day(int(now // 86_400))


@lru_cache(maxsize=4)
def _period_of_day(number: int) -> Period:
    day = datetime.fromtimestamp(number * 86_400, UTC)
    next_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return Period(
        day=day.strftime("%Y-%m-%d"),
        month=day.strftime("%Y-%m"),
        midnight=(day + timedelta(days=1)).timestamp(),
        month_end=next_month.timestamp(),
    )


def _as_in_ledger(end_user: str) -> str:
    # the ledger cuts and cleans what callers choose; a count of it must find the same name
    return end_user.replace("\0", "")[:LONGEST_END_USER].encode(errors="replace").decode()


def _scope(name: str, limits: Limits) -> Scope:
    return Scope(
        n=name,
        rpm=limits.rpm,
        rpd=limits.rpd,
        tpm=limits.tpm,
        cc=limits.concurrency,
        bd=limits.budget_day,
        bm=limits.budget_month,
    )

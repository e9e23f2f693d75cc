"""Turn a rejection into the error that the caller gets: which limit, whose, how much is used, and the exact wait.

`AdmissionController` raises the errors made here. `RefusalMemory` remembers for a moment whose requests per minute are
used up: the next calls are refused before they are read. A refusal costs otherwise nearly as much as a hit: the body is
decoded, tokens are estimated, Redis is asked. The bucket of a limit only empties until the wait is over, so until then
all replicas would answer alike. No I/O.
"""

import math
from datetime import UTC, datetime

import msgspec

from tidegate.core.errors import BudgetExceeded, BudgetReserved, CallerRateLimited, RequestExceedsLimit, TidegateError
from tidegate.core.values import Caller, Limits
from tidegate.limits.decision import LimitRejection
from tidegate.limits.scopes import project_scope
from tidegate.storage.names import unescape

_LIMITS = {
    "requests": ("requests per min (RPM)", "requests"),
    "day": ("requests per day (RPD)", "requests"),
    "tokens": ("tokens per min (TPM)", "tokens"),
    "too_large": ("tokens per min (TPM)", "tokens"),
    "concurrency": ("calls in flight", "requests"),
}
_SCOPE_LABELS = {
    "key": "this API key",
    "project": "project {}",
    "user": "end user {}",
    "tag": "tag {}",
    "all": "the whole gateway",
}
_MAX_SECONDS = 1.0
"""For which a refusal is remembered: a limit that is reset in Redis takes effect within this time."""
_MAX_SCOPES = 1000


def rejection_error(rejection: LimitRejection, *, now: float, output_parameter: str = "") -> TidegateError:
    """Return the typed error for a rejection; `now` is in Unix seconds.

    `output_parameter` is the one that limits the output of this call; empty where it has none.
    """
    if rejection.kind in ("budget", "budget_held"):
        return _budget_error(rejection, now, output_parameter)
    if rejection.kind == "names":
        return _names_error(rejection)
    words, kind = _LIMITS[rejection.kind]
    figures = f"Limit {rejection.limit:.0f}, Used {rejection.used:.0f}, Requested {rejection.requested:.0f}."
    if rejection.wait is None:
        return RequestExceedsLimit(
            f"Request too large for {scope_label(rejection.scope)} on {words}: {figures}", kind=kind
        )
    advice = f"Please try again in {_format_seconds(rejection.wait)}."
    message = f"Rate limit reached for {scope_label(rejection.scope)} on {words}: {figures} {advice}"
    limit = 0 if rejection.kind == "concurrency" else int(rejection.limit)
    return CallerRateLimited(message, kind=kind, limit=limit, retry_after=rejection.wait)


def scope_label(scope: str) -> str:
    """Return the name of a scope for error messages, such as `project shop`."""
    kind, _, name = scope.partition("/")
    if kind in ("user", "tag"):
        _, _, name = name.partition("/")  # without the project
    if kind == "tag":
        name = name.replace("/", "=", 1)
    return _SCOPE_LABELS[kind].format(unescape(name))


def format_usd(nanos: float) -> str:
    """Return nano-dollars as a dollar amount, exact."""
    whole, rest = divmod(round(nanos), 1_000_000_000)
    return f"${whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


def _names_error(rejection: LimitRejection) -> TidegateError:
    project = unescape(rejection.scope.split("/")[1].replace("%2F", "/"))
    wait = rejection.wait or 0.0
    return CallerRateLimited(
        f"Project {project} has named {rejection.used:.0f} end users or tags with limits, the most that are counted "
        f"(`budgets.max_end_users`); {scope_label(rejection.scope)} is a new one. The call was not sent. Name one that "
        f"is counted already, or try again in {_format_seconds(wait)}.",
        kind="requests",
        retry_after=wait,
    )


def _budget_error(rejection: LimitRejection, now: float, output_parameter: str) -> TidegateError:
    budget = (
        f"The budget of {scope_label(rejection.scope)}, {format_usd(rejection.limit)}, leaves no room for this request"
    )
    most = f"which may cost up to {format_usd(rejection.requested)}"
    if rejection.kind == "budget_held":
        taken = f"{format_usd(rejection.used)} is spent or reserved by requests in progress"
        return BudgetReserved(f"{budget}, {most}: {taken}. Please try again in 1s.", retry_after=rejection.wait)
    if rejection.wait is None:
        advice = f"Ask for less, with `{output_parameter}`." if output_parameter else "Send a shorter input."
        return BudgetExceeded(f"{budget}, {most}, more than all of it. {advice}")
    renewal = datetime.fromtimestamp(now + rejection.wait, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return BudgetExceeded(f"{budget}, {most}: {format_usd(rejection.used)} is spent. It is renewed at {renewal}.")


def _format_seconds(seconds: float) -> str:
    """Return a duration as OpenAI writes it, rounded up: `644ms`, `8.64s`, `7m12s`."""
    if seconds < 1:
        return f"{max(1, math.ceil(seconds * 1000))}ms"
    if seconds < 60:
        return f"{math.ceil(seconds * 1000) / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + f"{minutes}m{rest}s"


class _Refusal(msgspec.Struct, frozen=True):
    rejection: LimitRejection
    until: float
    """When the limit has room again, Unix seconds."""
    forget_at: float


class RefusalMemory:
    """The refusals of one process."""

    def __init__(self) -> None:
        """Nothing was refused yet."""
        self._by_scope: dict[str, _Refusal] = {}

    def __len__(self) -> int:
        return len(self._by_scope)

    def note(self, rejection: LimitRejection, now: float) -> None:
        """Remember a rejection by the requests per minute of a key or a project; `now` is in Unix seconds."""
        is_known_early = rejection.scope.startswith(("key/", "project/"))
        if rejection.kind != "requests" or not rejection.wait or not is_known_early:
            return
        if len(self._by_scope) >= _MAX_SCOPES:
            self._by_scope.clear()
        until = now + rejection.wait
        self._by_scope[rejection.scope] = _Refusal(rejection, until, min(until, now + _MAX_SECONDS))

    def error(self, caller: Caller, now: float) -> TidegateError | None:
        """Return the error of a caller whose limit has no room yet."""
        key = f"key/{caller.key_id}"
        return self._error_of(key, caller.limits, now) or self._error_of(
            project_scope(caller.project), caller.project_limits, now
        )

    def _error_of(self, scope: str, limits: Limits, now: float) -> TidegateError | None:
        refusal = self._by_scope.get(scope)
        if refusal is None:
            return None
        if now >= refusal.forget_at or limits.rpm != refusal.rejection.limit:
            del self._by_scope[scope]
            return None
        wait, limit = refusal.until - now, refusal.rejection.limit
        used = (wait + 60) * limit / 60 - 1  # as limits_check_bucket in limits.lua
        return rejection_error(msgspec.structs.replace(refusal.rejection, wait=wait, used=used), now=now)

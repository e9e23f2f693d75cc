"""A refusal in words: which limit, whose, how much is used, and the true wait."""

import math
from datetime import UTC, datetime

from tidegate.core.errors import BudgetExceeded, BudgetHeld, CallerLimited, CallTooLarge, TidegateError
from tidegate.limits.decision import Refuse

_LIMITS = {
    "requests": ("requests per min (RPM)", "requests"),
    "day": ("requests per day (RPD)", "requests"),
    "tokens": ("tokens per min (TPM)", "tokens"),
    "too_large": ("tokens per min (TPM)", "tokens"),
    "concurrency": ("calls in flight", "requests"),
}
_WHOSE = {"key": "this API key", "project": "project {}", "user": "end user {}", "all": "the whole gateway"}


def error_of(refusal: Refuse, *, now: float) -> TidegateError:
    """The typed error of a refusal; `now` is Unix seconds."""
    if refusal.what in ("budget", "budget_held"):
        return _over_budget(refusal, now)
    words, kind = _LIMITS[refusal.what]
    figures = f"Limit {refusal.limit:.0f}, Used {refusal.used:.0f}, Requested {refusal.requested:.0f}."
    if refusal.wait is None:
        return CallTooLarge(f"Request too large for {whose(refusal.scope)} on {words}: {figures}", kind=kind)
    again = f"Please try again in {_span(refusal.wait)}."
    message = f"Rate limit reached for {whose(refusal.scope)} on {words}: {figures} {again}"
    told = 0 if refusal.what == "concurrency" else int(refusal.limit)
    return CallerLimited(message, kind=kind, limit=told, retry_after=refusal.wait)


def whose(scope: str) -> str:
    """A scope in words."""
    kind, _, name = scope.partition("/")
    return _WHOSE[kind].format(name.partition("/")[2] if kind == "user" else name)


def usd(nanos: float) -> str:
    """Nano-dollars as people write money, exact."""
    whole, rest = divmod(round(nanos), 1_000_000_000)
    return f"${whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


def _over_budget(refusal: Refuse, now: float) -> TidegateError:
    budget = f"The budget of {whose(refusal.scope)}, {usd(refusal.limit)}, leaves no room for this call"
    most = f"which may cost up to {usd(refusal.requested)}"
    if refusal.what == "budget_held":
        taken = f"{usd(refusal.used)} is spent or held by calls under way"
        return BudgetHeld(f"{budget}, {most}: {taken}. Please try again in 1s.", retry_after=refusal.wait)
    if refusal.wait is None:
        return BudgetExceeded(f"{budget}, {most}, more than all of it. Ask for less, with `max_tokens`.")
    renewal = datetime.fromtimestamp(now + refusal.wait, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return BudgetExceeded(f"{budget}, {most}: {usd(refusal.used)} is spent. It is renewed at {renewal}.")


def _span(seconds: float) -> str:
    """As OpenAI writes it, never less than it is: `644ms`, `8.64s`, `7m12s`."""
    if seconds < 1:
        return f"{max(1, math.ceil(seconds * 1000))}ms"
    if seconds < 60:
        return f"{math.ceil(seconds * 1000) / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + f"{minutes}m{rest}s"

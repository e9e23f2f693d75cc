"""Judge the figures of one window, or the spending of one day, against the thresholds. No I/O, no clock."""

import enum
from collections.abc import Callable

import msgspec

from tidegate.alerts.figures import SLOT_SECONDS, CauseFigures, SlotFigures, WaitFigures
from tidegate.alerts.thresholds import CALM_SHARE, OTHER_MODELS, AlertName, Thresholds
from tidegate.core import errors

MIN_PROJECTION_SECONDS = 3 * 3600.0
"""The data of a day from which its end is projected."""
_MAX_LISTED = 3


@enum.unique
class FaultSide(enum.StrEnum):
    """On whose side the cause of an alert is."""

    GATEWAY = "gateway"
    """This gateway or its stores."""
    UPSTREAM = "upstream"
    """The provider is slow, down, or answers with errors."""
    ACCOUNT = "account"
    """The keys, the credit or the rate limits of the account at the provider."""
    BUDGET = "budget"
    """Callers spend more than was planned."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures say of one alert at one time."""

    alert: AlertName
    is_over: bool = False
    is_calm: bool = True
    """Whether the measure is below 80 % of the threshold, or there were no calls at all."""
    measure: str = ""
    """The measure beside its threshold, for a person."""
    calls: int = 0
    since: float = 0.0
    """Unix seconds since when the figures are bad; 0 while they are not."""
    fault: FaultSide = FaultSide.UPSTREAM
    causes: tuple[str, ...] = ()
    """The leading causes, the greatest first."""
    day: str = ""
    """The day that the spending is of; empty for the other alerts."""


class DaySpending(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent in a day until now."""

    day: str
    begin: float
    end: float
    """Unix seconds, as the begin."""
    spent_nanos: int
    first_at: float | None = None
    """The first call of the day; None without one, or where it is not known."""
    recent_nanos: int = 0
    """The spending of the last three hours."""


def judge_slow(slots: list[SlotFigures], total: SlotFigures, thresholds: Thresholds) -> Judgement:
    """Judge how long callers waited: `slots` of one window, each the sum of all processes, and their `total`."""
    enough = {group: waits for group, waits in total.waits.items() if waits.calls >= thresholds.min_calls}
    over = {group: waits for group, waits in enough.items() if waits.is_over}
    is_calm = all(waits.is_calm for waits in total.waits.values())
    shown = over or enough or total.waits
    if not shown:
        return Judgement(alert=AlertName.SLOW, measure="no calls")
    group = max(shown, key=lambda group: shown[group].p95_ms / thresholds.of_group(group))
    waits = shown[group]
    of_models = f" of {group}" if group != OTHER_MODELS else ""
    limit_ms = thresholds.of_group(group)
    return Judgement(
        alert=AlertName.SLOW,
        is_over=bool(over),
        is_calm=is_calm,
        measure=f"95th percentile{of_models} about {waits.p95_ms / 1000:.1f} s, threshold {limit_ms / 1000:g} s",
        calls=waits.calls,
        since=_first(slots, lambda slot: any(slot.waits[name].is_over for name in over if name in slot.waits)),
        fault=_fault_of_waits(waits),
        causes=_causes_of_waits(waits),
    )


def _fault_of_waits(waits: WaitFigures) -> FaultSide:
    parts = {
        FaultSide.UPSTREAM: waits.upstream_ms,
        FaultSide.ACCOUNT: waits.queue_ms,
        FaultSide.GATEWAY: waits.gateway_ms,
    }
    return max(parts, key=lambda fault: parts[fault])


def _causes_of_waits(waits: WaitFigures) -> tuple[str, ...]:
    total = waits.queue_ms + waits.upstream_ms + waits.gateway_ms
    if not waits.over or not total:
        return ()
    shares = [
        f"{name} {part / total:.0%}"
        for name, part in (
            ("upstream", waits.upstream_ms),
            ("queue", waits.queue_ms),
            ("gateway", waits.gateway_ms),
        )
    ]
    targets = sorted(waits.targets.items(), key=lambda item: -item[1])[:_MAX_LISTED]
    listed = [f"{count} slow calls at {target}" for target, count in targets]
    return f"time of the slow calls: {', '.join(shares)}", *listed


def judge_errors(slots: list[SlotFigures], total: SlotFigures, thresholds: Thresholds) -> Judgement:
    """Judge how many calls failed or got a canned or stale answer instead of their own."""
    if not total.calls:
        return Judgement(alert=AlertName.ERRORS, measure="no calls")
    rate, limit = total.error_rate, thresholds.error_rate
    causes = sorted(total.causes.values(), key=lambda cause: -cause.count)
    bad = f"{total.failed} failed, {total.degraded} got a canned or stale answer"
    return Judgement(
        alert=AlertName.ERRORS,
        is_over=rate > limit and total.calls >= thresholds.min_calls,
        is_calm=rate < CALM_SHARE * limit or total.failed + total.degraded == 0,
        measure=f"{rate:.1%} of {total.calls} calls ({bad}), threshold {100 * limit:g}%",
        calls=total.calls,
        since=_first(slots, lambda slot: slot.error_rate > limit),
        fault=fault_of(causes[0].outcome) if causes else FaultSide.UPSTREAM,
        causes=tuple(_cause(each, total.failed + total.degraded) for each in causes[:_MAX_LISTED]),
    )


def _cause(cause: CauseFigures, of_all: int) -> str:
    at = f" at {cause.provider}" if cause.provider else ""
    words = f": {cause.words}" if cause.words else ""
    return f"{cause.count} of {of_all} {cause.outcome}{at}{words}"


_OF_ACCOUNT = (
    errors.InvalidUpstreamKey,
    errors.NoUpstreamKey,
    errors.OrganizationMismatch,
    errors.UpstreamForbidden,
    errors.InsufficientQuota,
    errors.UpstreamRateLimited,
    errors.RequestExceedsUpstreamLimit,
    errors.UpstreamBusy,
)


def fault_of(outcome: str) -> FaultSide:
    """Return on whose side an error is, by its name. A canned or stale answer has its cause upstream."""
    kinds = {kind.name: kind for kind in _all_errors(errors.TidegateError)}
    kind = kinds.get(outcome)
    if kind is None or not issubclass(kind, errors.UpstreamError):
        return FaultSide.UPSTREAM if kind is None else FaultSide.GATEWAY
    return FaultSide.ACCOUNT if issubclass(kind, _OF_ACCOUNT) else FaultSide.UPSTREAM


def _all_errors(kind: type[errors.TidegateError]) -> list[type[errors.TidegateError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _all_errors(child))]


def judge_cost(spending: DaySpending, thresholds: Thresholds, now: float) -> Judgement:
    """Judge what was spent in the day until now."""
    spent, limit = spending.spent_nanos, thresholds.cost_nanos
    measure = f"{_usd(spent)} on {spending.day}, threshold {_usd(limit)}"
    projected = projected_nanos(spending, now)
    if projected is not None:
        measure += f", projected end of day {_usd(projected)}"
    return Judgement(
        alert=AlertName.COST,
        is_over=spent > limit,
        is_calm=spent < CALM_SHARE * limit,
        measure=measure,
        since=spending.begin if spent > limit else 0.0,
        fault=FaultSide.BUDGET,
        day=spending.day,
    )


def projected_nanos(spending: DaySpending, now: float) -> int | None:
    """Return the spending at the end of the day if it goes on as in the last three hours; None before three hours."""
    if spending.first_at is None or now - spending.first_at < MIN_PROJECTION_SECONDS:
        return None
    rest = max(0.0, spending.end - now)
    return spending.spent_nanos + round(spending.recent_nanos * rest / MIN_PROJECTION_SECONDS)


def _usd(nanos: int) -> str:
    return f"${nanos / 1e9:,.2f}"


def _first(slots: list[SlotFigures], is_bad: Callable[[SlotFigures], bool]) -> float:
    return next((float(slot.number * SLOT_SECONDS) for slot in slots if is_bad(slot)), 0.0)

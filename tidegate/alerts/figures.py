"""Figures of calls that add up: counts and histograms of one slot of ten seconds, of one process or of many. No I/O."""

import math
from bisect import bisect_left
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from tidegate.alerts.thresholds import CALM_SHARE

SLOT_SECONDS = 10
MAX_CAUSES = 8
"""Causes, or targets, that one slot tells apart; what comes later counts as `other`."""
OTHER = "other"
_SMALLEST_MS, _GROWTH, _BUCKETS = 50.0, 1.25, 46
BUCKET_ENDS_MS = tuple(round(_SMALLEST_MS * _GROWTH**number) for number in range(_BUCKETS))
"""The upper ends of the buckets, from 50 ms to 19 minutes; what takes longer is in one more."""
_QUANTILE = 0.95
_Key = TypeVar("_Key", int, str)


class WaitFigures(msgspec.Struct, frozen=True, array_like=True):
    """How long callers waited, for one group of models."""

    calls: int = 0
    over: int = 0
    """Calls that took longer than the threshold."""
    near: int = 0
    """Calls that took longer than 80 % of it."""
    buckets: dict[int, int] = {}
    """The number of calls in each bucket that has any."""
    queue_ms: int = 0
    """What the calls over the threshold waited for in the queue; the next two are theirs, too."""
    upstream_ms: int = 0
    gateway_ms: int = 0
    targets: dict[str, int] = {}
    """How many calls over the threshold each target served, as `PROVIDER/MODEL`."""

    @property
    def is_over(self) -> bool:
        """Whether the 95th percentile is above the threshold."""
        return self.calls > 0 and self.calls - self.over < math.ceil(_QUANTILE * self.calls)

    @property
    def is_calm(self) -> bool:
        """Whether the 95th percentile is below 80 % of the threshold, and clearly fewer than 5 % are over it."""
        is_near = self.calls > 0 and self.calls - self.near < math.ceil(_QUANTILE * self.calls)
        return not is_near and self.over <= CALM_SHARE * (1 - _QUANTILE) * self.calls

    @property
    def p95_ms(self) -> int:
        """The 95th percentile, as the upper end of its bucket; 0 without calls."""
        rank, seen = math.ceil(_QUANTILE * self.calls), 0
        for bucket, count in sorted(self.buckets.items()):
            seen += count
            if seen >= rank:
                return BUCKET_ENDS_MS[min(bucket, _BUCKETS - 1)]
        return 0


class CauseFigures(msgspec.Struct, frozen=True, array_like=True):
    """Calls that failed in the same way."""

    count: int
    outcome: str
    """The error's name, or the fallback step that answered instead."""
    provider: str
    words: str
    """What the upstream said of the last one, scrubbed; else the gateway's sentence."""


class SlotFigures(msgspec.Struct, frozen=True, array_like=True):
    """The calls that ended in one slot."""

    number: int
    """Unix seconds, divided by ten."""
    calls: int = 0
    """Calls that were answered, degraded, or failed."""
    failed: int = 0
    degraded: int = 0
    waits: dict[str, WaitFigures] = {}
    """By group of models."""
    causes: dict[str, CauseFigures] = {}
    cost_nanos: int = 0

    @property
    def error_rate(self) -> float:
        """The share of calls that failed or were degraded; 0 without calls."""
        return (self.failed + self.degraded) / self.calls if self.calls else 0.0


def bucket_of(milliseconds: int) -> int:
    """Return the number of the bucket that holds a duration."""
    return bisect_left(BUCKET_ENDS_MS, milliseconds)


def slot_of(now: float) -> int:
    """Return the number of the slot at `now`, in Unix seconds."""
    return int(now // SLOT_SECONDS)


def window_slots(now: float, window_seconds: int) -> range:
    """Return the numbers of the slots of the window that ends with the slot of `now`."""
    last = slot_of(now)
    return range(last - window_seconds // SLOT_SECONDS + 1, last + 1)


def add_up(slots: Iterable[SlotFigures]) -> SlotFigures:
    """Return the sum of slots, with the number of the last one."""
    number = calls = failed = degraded = cost_nanos = 0
    waits: dict[str, WaitFigures] = {}
    causes: dict[str, CauseFigures] = {}
    for slot in slots:
        number = max(number, slot.number)
        calls += slot.calls
        failed += slot.failed
        degraded += slot.degraded
        cost_nanos += slot.cost_nanos
        for group, wait in slot.waits.items():
            waits[group] = _add_waits(waits[group], wait) if group in waits else wait
        for key, cause in slot.causes.items():
            known = causes.get(key)
            causes[key] = msgspec.structs.replace(cause, count=cause.count + known.count) if known else cause
    return SlotFigures(number, calls, failed, degraded, waits, causes, cost_nanos)


def _add_waits(one: WaitFigures, other: WaitFigures) -> WaitFigures:
    return WaitFigures(
        one.calls + other.calls,
        one.over + other.over,
        one.near + other.near,
        _add_counts(one.buckets, other.buckets),
        one.queue_ms + other.queue_ms,
        one.upstream_ms + other.upstream_ms,
        one.gateway_ms + other.gateway_ms,
        _add_counts(one.targets, other.targets),
    )


def _add_counts(one: dict[_Key, int], other: dict[_Key, int]) -> dict[_Key, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in one.keys() | other.keys()}

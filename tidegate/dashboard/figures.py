"""The calls of a range, whatever they were read from: steps of time, distributions of times, errors. No I/O."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from tidegate.metering.reports.usage_slots import LONGEST_MS, ErrorFigures, UsageStep


class RangeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of a range."""

    source: Literal["redis", "postgresql"]
    steps: tuple[UsageStep, ...]
    """All of the range, also those without calls."""
    whole: Mapping[int, int] = {}
    """How many answered calls took at most so many milliseconds, and longer than the bound before."""
    first_content: Mapping[int, int] = {}
    gateway: Mapping[int, int] | None = None
    """The same of the gateway's own share; None where it is not known."""
    errors: tuple[ErrorFigures, ...] | None = None


def step_begins(now: float, range_seconds: int, step_seconds: int) -> range:
    """Return the begins of a range's steps, in Unix seconds: the last one has `now` in it."""
    last = int(now // step_seconds) * step_seconds
    return range(last - range_seconds + step_seconds, last + step_seconds, step_seconds)


def filled(steps: Iterable[UsageStep], begins: Iterable[int]) -> tuple[UsageStep, ...]:
    """Return a step for each begin; one without calls is empty."""
    known = {step.at: step for step in steps}
    return tuple(known.get(at) or UsageStep(at=at) for at in begins)


def total_of(steps: Iterable[UsageStep]) -> UsageStep:
    """Return the sum of steps."""
    every = [msgspec.structs.astuple(step)[1:] for step in steps]
    names = UsageStep.__struct_fields__[1:]
    return UsageStep(at=0, **dict(zip(names, map(sum, zip(*every, strict=True)), strict=True))) if every else _EMPTY


_EMPTY = UsageStep(at=0)


def percentile(counts: Mapping[int, int], ratio: float, bounds: Iterable[int]) -> int | None:
    """Return how many milliseconds a share of the calls takes at most; None without calls.

    Within a bucket, calls are taken to be spread evenly. A call beyond the last of `bounds` counts as one at it.
    """
    total = sum(counts.values())
    if not total:
        return None
    rank, seen, low = ratio * total, 0, 0
    for bound in sorted({*bounds, *counts} - {LONGEST_MS}):
        count = counts.get(bound, 0)
        if count and seen + count >= rank:
            return math.ceil(low + (bound - low) * (rank - seen) / count)
        seen, low = seen + count, bound
    return low

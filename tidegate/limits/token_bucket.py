"""Token buckets for limits per minute, as the generic cell rate algorithm (GCRA, ITU-T I.371) keeps them.

A bucket is one number: `full_at`, the moment in Unix seconds at which it is full again. It refills at `limit` per
minute and holds at most `limit`. To take an amount, move `full_at` on by the time that the amount takes to refill; an
amount is available while `full_at` would stay within one window from now. So no timer and no second counter is needed,
and the arithmetic is exact. The Lua scripts do the same arithmetic and are tested against this module;
`LocalLimits` uses it while Redis is away. No I/O.
"""

WINDOW_SECONDS = 60.0
"""Seconds in which an empty bucket refills."""

_TOLERANCE = 1e-6
"""Seconds; below the precision of Unix time in double floating point."""


def available(full_at: float, limit: int, now: float) -> float:
    """Return the amount that may be taken now, at most `limit`."""
    return limit - max(0.0, full_at - now) * limit / WINDOW_SECONDS


def full_at_after(full_at: float, limit: int, amount: float, now: float) -> float:
    """Return `full_at` after `amount` was taken; a negative amount returns some."""
    return max(full_at, now) + amount * WINDOW_SECONDS / limit


def seconds_until(full_at: float, limit: int, amount: float, now: float) -> float | None:
    """Return the seconds until `amount` may be taken: 0 for now, None for never if the bucket is smaller than it."""
    if amount > limit or limit == 0:
        return None
    seconds = full_at_after(full_at, limit, amount, now) - now - WINDOW_SECONDS
    return seconds if seconds > _TOLERANCE else 0.0

"""Limits a minute as virtual scheduling does them (GCRA, ITU-T I.371): one number says all, exactly.

`full_at` is the moment, in Unix seconds, at which nothing of what was taken is missing any more. The Lua scripts
do the same arithmetic; the tests hold them against this.
"""

WINDOW_SECONDS = 60.0
"""Seconds in which a bucket refills."""

_TOLERANCE = 1e-6
"""Seconds; below the precision that a clock's reading in double floating point has."""


def available(full_at: float, limit: int, now: float) -> float:
    """What may be taken now, of at most `limit`."""
    return limit - max(0.0, full_at - now) * limit / WINDOW_SECONDS


def full_at_after(full_at: float, limit: int, amount: float, now: float) -> float:
    """The new `full_at` once `amount` was taken; a negative amount gives back."""
    return max(full_at, now) + amount * WINDOW_SECONDS / limit


def seconds_until(full_at: float, limit: int, amount: float, now: float) -> float | None:
    """Seconds until `amount` may be taken, 0 for now; None for never, because it is more than the bucket holds."""
    if amount > limit or limit == 0:
        return None
    seconds = full_at_after(full_at, limit, amount, now) - now - WINDOW_SECONDS
    return seconds if seconds > _TOLERANCE else 0.0

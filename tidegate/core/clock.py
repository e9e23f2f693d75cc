"""The clock, which is passed to all code that needs the time: no other code reads one."""

import time
from datetime import UTC, date, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> float:
        """Unix time in seconds; may step when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes backwards."""
        ...


class SystemClock:
    """The machine's own clock."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


def today(clock: Clock) -> date:
    """Return the clock's day in UTC."""
    return datetime.fromtimestamp(clock.now(), UTC).date()


class ManualClock:
    """A clock for tests that moves only by `advance`."""

    def __init__(self, start: float = 1_790_000_000.0) -> None:
        """Start at `start` Unix seconds."""
        self._start = start
        self._elapsed = 0.0

    def now(self) -> float:
        """Unix time in seconds: the start plus all advances."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move both readings forward by `seconds`."""
        self._elapsed += seconds

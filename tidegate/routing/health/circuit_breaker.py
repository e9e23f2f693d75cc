"""A breaker for each target: whether it is worth asking, judged from real traffic.

closed, calls go; open, none does, and a free probe looks every second or two; half-open, the probe was answered and one
call at a time, in the whole fleet, tries. Coming back is a ramp already: the target's lane lets few calls go at once
after an outage, and more with each success.
"""

from enum import Enum

import msgspec

from tidegate.core.errors import TidegateError

PROBE_INTERVAL_SECONDS = (1.0, 2.0)
"""Between two looks at an open target, drawn from this range so that replicas do not look in step."""
TRIAL_SECONDS = 5.0
"""That the first trial may take to begin its answer; each one that runs out of time allows the next twice as long."""
_SLICES = 10


class Circuit(Enum):
    """A breaker's state, in the words that operators see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerState(msgspec.Struct, frozen=True, kw_only=True):
    """A breaker, as the replicas share it."""

    circuit: Circuit = Circuit.CLOSED
    since: float = 0.0
    """Unix seconds at which it closed, or at which the outage began."""
    error: dict[str, object] | None = None
    """The failure that opened it, packed."""
    unreachable: bool = False
    """It is silent altogether, so calls that are on their way there wait for nothing."""
    slow_trials: int = 0
    """Trials in a row that ran out of time."""

    @property
    def trial_seconds(self) -> float:
        """How long the next trial may take to begin its answer."""
        return TRIAL_SECONDS * 2.0**self.slow_trials


CLOSED = BreakerState()


def open_breaker(error: TidegateError, now: float, *, unreachable: bool = False) -> BreakerState:
    """Nobody is sent there from now on."""
    return BreakerState(circuit=Circuit.OPEN, since=now, error=error.pack(), unreachable=unreachable)


def after_probe(state: BreakerState) -> BreakerState:
    """A free probe was answered: a call may try."""
    if state.circuit is not Circuit.OPEN:
        return state
    return msgspec.structs.replace(state, circuit=Circuit.HALF_OPEN, unreachable=False)


def after_trial(state: BreakerState, now: float, error: TidegateError | None, *, slow: bool = False) -> BreakerState:
    """A trial was answered, or failed with this error; `slow` where it ran out of the time of a trial."""
    if error is None:
        return BreakerState(since=now)
    slow_trials = state.slow_trials + 1 if slow else 0
    return msgspec.structs.replace(
        state, circuit=Circuit.OPEN, since=state.since or now, error=error.pack(), slow_trials=slow_trials
    )


class FailureWindow:
    """One process's recent calls to a target, and when too many of them failed."""

    def __init__(self, *, failure_threshold: int, failure_ratio: float, min_calls: int, window_seconds: float) -> None:
        """Opens after `in_a_row` failures, or when `share` of at least `least` calls in `window` seconds failed."""
        self._failure_threshold = failure_threshold
        self._failure_ratio = failure_ratio
        self._min_calls = min_calls
        self._slice_seconds = window_seconds / _SLICES
        self._consecutive_failures = 0
        self._slices: dict[int, list[int]] = {}
        """Calls and failures, by slice of the window."""

    def add(self, now: float, *, ok: bool) -> bool:
        """A call ended; whether that is enough to open. `now` is on the monotonic clock."""
        number = int(now // self._slice_seconds)
        figures = self._slices.get(number)
        if figures is None:
            self._slices = {old: seen for old, seen in self._slices.items() if old > number - _SLICES}
            figures = self._slices[number] = [0, 0]
        figures[0] += 1
        if ok:
            self._consecutive_failures = 0
            return False
        figures[1] += 1
        self._consecutive_failures += 1
        return self._consecutive_failures >= self._failure_threshold or self._is_over_ratio()

    def clear(self) -> None:
        """What was before counts no more."""
        self._consecutive_failures = 0
        self._slices.clear()

    def _is_over_ratio(self) -> bool:
        calls = sum(seen[0] for seen in self._slices.values())
        failures = sum(seen[1] for seen in self._slices.values())
        return calls >= self._min_calls and failures >= self._failure_ratio * calls

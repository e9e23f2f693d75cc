"""The circuit breaker of a target: whether it gets calls, judged from real traffic. Pure.

While it is closed, calls are sent. While it is open none is, and a free probe checks the target every second or two.
Once a probe was answered it is half-open: one call at a time of the whole fleet tries the target. No further ramp is
needed after that: the target's lane starts slowly after an outage, and lets more calls through with each success.
`HealthRegistry` applies these functions and shares their results.
"""

from enum import Enum

import msgspec

from tidegate.core.errors import TidegateError

PROBE_INTERVAL_SECONDS = (1.0, 2.0)
"""Between two probes of an open target; drawn from this range, so that replicas do not probe at the same time."""
TRIAL_SECONDS = 5.0
"""The time limit of the first trial; each trial that exceeds its limit doubles the next one's."""
TRIAL = "trial "
"""What the claim of a trial begins with; the target's name follows."""
_SLICES = 10


class Circuit(Enum):
    """A breaker's position, under the name that operators see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerState(msgspec.Struct, frozen=True, kw_only=True):
    """A breaker's state, as the replicas share it."""

    circuit: Circuit = Circuit.CLOSED
    since: float = 0.0
    """Unix seconds at which it closed, or at which the outage began."""
    error: dict[str, object] | None = None
    """The failure that opened it, packed."""
    unreachable: bool = False
    """Whether the target is silent altogether, so that calls in progress there are given up."""
    slow_trials: int = 0
    """Trials in a row that exceeded their time limit."""

    @property
    def trial_seconds(self) -> float:
        """The time limit of the next trial, until its answer begins."""
        return TRIAL_SECONDS * 2.0**self.slow_trials


CLOSED = BreakerState()


def open_breaker(error: TidegateError, now: float, *, unreachable: bool = False) -> BreakerState:
    """Return an open breaker: no call is sent to the target from now on."""
    return BreakerState(circuit=Circuit.OPEN, since=now, error=error.pack(), unreachable=unreachable)


def after_probe(state: BreakerState) -> BreakerState:
    """Return the state after an answered probe: one call may try the target."""
    if state.circuit is not Circuit.OPEN:
        return state
    return msgspec.structs.replace(state, circuit=Circuit.HALF_OPEN, unreachable=False)


def after_trial(state: BreakerState, now: float, error: TidegateError | None, *, slow: bool = False) -> BreakerState:
    """Return the state after a trial; `slow` where it exceeded its time limit, `error` None where it was answered."""
    if error is None:
        return BreakerState(since=now)
    slow_trials = state.slow_trials + 1 if slow else 0
    return msgspec.structs.replace(
        state, circuit=Circuit.OPEN, since=state.since or now, error=error.pack(), slow_trials=slow_trials
    )


class FailureWindow:
    """One process's recent calls to a target; decides when too many of them failed."""

    def __init__(self, *, failure_threshold: int, failure_ratio: float, min_calls: int, window_seconds: float) -> None:
        """Open after so many failures in a row, or after a ratio of failures among `min_calls` in the window."""
        self._failure_threshold = failure_threshold
        self._failure_ratio = failure_ratio
        self._min_calls = min_calls
        self._slice_seconds = window_seconds / _SLICES
        self._consecutive_failures = 0
        self._slices: dict[int, list[int]] = {}
        """The number of calls and of failures, by slice of the window."""

    def add(self, now: float, *, ok: bool) -> bool:
        """Count a call; return whether the breaker must open. `now` is on the monotonic clock."""
        number = int(now // self._slice_seconds)
        figures = self._slices.get(number)
        if figures is None:
            self._slices = {old: counts for old, counts in self._slices.items() if old > number - _SLICES}
            figures = self._slices[number] = [0, 0]
        figures[0] += 1
        if ok:
            self._consecutive_failures = 0
            return False
        figures[1] += 1
        self._consecutive_failures += 1
        return self._consecutive_failures >= self._failure_threshold or self._is_over_ratio()

    def clear(self) -> None:
        """Forget all calls so far."""
        self._consecutive_failures = 0
        self._slices.clear()

    def _is_over_ratio(self) -> bool:
        calls = sum(counts[0] for counts in self._slices.values())
        failures = sum(counts[1] for counts in self._slices.values())
        return calls >= self._min_calls and failures >= self._failure_ratio * calls

"""The counters and gauges of this process: failed calls by error name, internal events, and current values.

Read by `/metrics` and the admin API.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from tidegate.core.events import CallFailure, Event, EventName, EventSink
from tidegate.monitoring.metrics.call_metrics import CallMetrics
from tidegate.monitoring.metrics.call_series import CallFigures


class Sample(msgspec.Struct, frozen=True):
    """A value with its labels."""

    value: float
    labels: dict[str, str] = {}


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """A gauge with its current values."""

    name: str
    help: str
    samples: tuple[Sample, ...]


GaugeReader = Callable[[], float | Iterable[Sample]]
"""Return the current value, without waiting."""
SharedGaugeReader = Callable[[], Awaitable[Iterable[Gauge]]]
"""Return gauges that are read from a store; none while the store is away."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at one moment."""

    failures: dict[str, dict[str, int]]
    """By the error's name, then by route."""
    internal_events: dict[str, int]
    """By event name. Each name is present from the beginning, with 0."""
    gauges: tuple[Gauge, ...] = ()
    calls: CallFigures | None = None
    """None where calls are not measured."""


class Counters:
    """Counts failures and events. The names are those of Tidegate's own types, so there are few of them."""

    def __init__(self, calls: CallMetrics | None = None) -> None:
        """`calls` measures the calls of this process; None where they are not measured."""
        self._calls = calls
        self._failures: Counter[tuple[str, str]] = Counter()
        self._events: Counter[str] = Counter()
        self._listeners: list[EventSink] = []
        self._gauges: list[tuple[str, str, GaugeReader]] = []
        self._shared_readers: list[SharedGaugeReader] = []

    def count_failure(self, failure: CallFailure) -> None:
        """Count a call that ended with a typed error."""
        self._failures[failure.error, failure.route] += 1

    def count_event(self, happening: Event) -> None:
        """Count an internal event."""
        self._events[happening.name.value] += happening.count
        for listener in self._listeners:
            listener(happening)

    def add_listener(self, listener: EventSink) -> None:
        """Call `listener` with each event from now on."""
        self._listeners.append(listener)

    def add(self, counts: Counts) -> None:
        """Add these counts to the present ones."""
        for error, routes in counts.failures.items():
            self._failures.update({(error, route): count for route, count in routes.items()})
        self._events.update(counts.internal_events)
        if self._calls is not None and counts.calls is not None:
            self._calls.add(counts.calls)

    def add_gauge(self, name: str, help_text: str, read: GaugeReader) -> None:
        """Add a gauge that is read whenever metrics are read; `help_text` is its help."""
        self._gauges.append((name, help_text, read))

    def add_shared_gauges(self, read: SharedGaugeReader) -> None:
        """Add gauges that are read from a store."""
        self._shared_readers.append(read)

    def failures_by_error(self) -> Counter[str]:
        """Return how many calls of this process failed, by the error's name."""
        counts: Counter[str] = Counter()
        for (error, _), count in self._failures.items():
            counts[error] += count
        return counts

    def read(self) -> Counts:
        """Return the figures of this process."""
        failures: dict[str, dict[str, int]] = {}
        for (error, route), count in sorted(self._failures.items()):
            failures.setdefault(error, {})[route] = count
        return Counts(
            failures=failures,
            internal_events={what.value: self._events[what.value] for what in EventName},
            gauges=tuple(_gauge(name, help_text, read_gauge()) for name, help_text, read_gauge in self._gauges),
            calls=None if self._calls is None else self._calls.read(),
        )

    async def read_shared(self) -> tuple[Gauge, ...]:
        """Return the figures of all processes, which the stores have."""
        return tuple([gauge for look in self._shared_readers for gauge in await look()])


def sum_of(counts: Iterable[Counts]) -> Counts:
    """Return the summed failures and events of several processes.

    Gauges are left out, because they cannot be summed.
    """
    total = Counters()
    for worker_counts in counts:
        total.add(worker_counts)
    return total.read()


def _gauge(name: str, help_text: str, value: float | Iterable[Sample]) -> Gauge:
    samples = (Sample(value),) if isinstance(value, int | float) else tuple(value)
    return Gauge(name=name, help=help_text, samples=samples)

"""How often calls failed, by the error's name, what befell our own parts, and how things stand; of this process."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from tidegate.core.events import CallFailure, Event, EventName


class Sample(msgspec.Struct, frozen=True):
    """A figure, and what it is of."""

    value: float
    labels: dict[str, str] = {}


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """How something stands."""

    name: str
    help: str
    samples: tuple[Sample, ...]


GaugeReader = Callable[[], float | Iterable[Sample]]
"""Tells how it stands now; must not wait."""
SharedGaugeReader = Callable[[], Awaitable[Iterable[Gauge]]]
"""The same for what must be asked of a store; none while that is away."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at one moment."""

    failures: dict[str, dict[str, int]]
    """By the error's name, then by route."""
    internal_events: dict[str, int]
    """By what happened; each name is there from the beginning, with 0."""
    gauges: tuple[Gauge, ...] = ()


class Counters:
    """Is told, and counts. The names are those of our own types, so there are few of them."""

    def __init__(self) -> None:
        self._failures: Counter[tuple[str, str]] = Counter()
        self._events: Counter[str] = Counter()
        self._gauges: list[tuple[str, str, GaugeReader]] = []
        self._shared_readers: list[SharedGaugeReader] = []

    def count_failure(self, failure: CallFailure) -> None:
        """A call ended with a typed error."""
        self._failures[failure.error, failure.route] += 1

    def count_event(self, happening: Event) -> None:
        """Something befell one of our own parts."""
        self._events[happening.name.value] += happening.count

    def add(self, counts: Counts) -> None:
        """Count on from here."""
        for error, routes in counts.failures.items():
            self._failures.update({(error, route): count for route, count in routes.items()})
        self._events.update(counts.internal_events)

    def add_gauge(self, name: str, help_text: str, read: GaugeReader) -> None:
        """Show this gauge, too, read when somebody looks; `told` is its help."""
        self._gauges.append((name, help_text, read))

    def add_shared_gauges(self, read: SharedGaugeReader) -> None:
        """Show these, too, whose figures are in a store."""
        self._shared_readers.append(read)

    def read(self) -> Counts:
        """The figures that this process has itself."""
        failures: dict[str, dict[str, int]] = {}
        for (error, route), count in sorted(self._failures.items()):
            failures.setdefault(error, {})[route] = count
        return Counts(
            failures=failures,
            internal_events={what.value: self._events[what.value] for what in EventName},
            gauges=tuple(_gauge(name, told, read()) for name, told, read in self._gauges),
        )

    async def read_shared(self) -> tuple[Gauge, ...]:
        """The figures of all processes, which the stores have."""
        return tuple([gauge for look in self._shared_readers for gauge in await look()])


def sum_of(counts: Iterable[Counts]) -> Counts:
    """What several processes counted; gauges are none, because they do not add up."""
    total = Counters()
    for one in counts:
        total.add(one)
    return total.read()


def _gauge(name: str, told: str, read: float | Iterable[Sample]) -> Gauge:
    samples = (Sample(read),) if isinstance(read, int | float) else tuple(read)
    return Gauge(name=name, help=told, samples=samples)

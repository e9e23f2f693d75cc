"""How often calls failed, by the error's name, and what befell our own parts; since this process began."""

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from tidegate.core.happenings import Failure, Happening, Own

Gauge = Callable[[], int]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at one moment."""

    failures: dict[str, dict[str, int]]
    """By the error's name, then by route."""
    own_parts: dict[str, int]
    """By what happened; each name is there from the beginning, with 0."""
    now: dict[str, int]
    """How things stand, by the gauge's name."""


class Counters:
    """Is told, and counts. The names are those of our own types, so there are few of them."""

    def __init__(self) -> None:
        self._failures: Counter[tuple[str, str]] = Counter()
        self._own: Counter[Own] = Counter()
        self._gauges: dict[str, Gauge] = {}

    def failed(self, failure: Failure) -> None:
        """A call ended with a typed error."""
        self._failures[failure.error, failure.route] += 1

    def happened(self, happening: Happening) -> None:
        """Something befell one of our own parts."""
        self._own[happening.what] += happening.count

    def watch(self, gauges: Mapping[str, Gauge]) -> None:
        """Show these figures, too, read when somebody looks."""
        self._gauges |= gauges

    def read(self) -> Counts:
        """The figures now."""
        failures: dict[str, dict[str, int]] = {}
        for (error, route), count in sorted(self._failures.items()):
            failures.setdefault(error, {})[route] = count
        return Counts(
            failures=failures,
            own_parts={what.value: self._own[what] for what in Own},
            now={name: gauge() for name, gauge in self._gauges.items()},
        )

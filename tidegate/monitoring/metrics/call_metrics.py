"""Counts and measures the calls of this process. Implements `core.call_report.CallObserver`.

An observation is a look into one dictionary and a few additions. Everything else waits until metrics are read.
"""

from bisect import bisect_left
from operator import attrgetter

from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.config import MetricsConfig
from tidegate.monitoring.metrics.call_series import CallFigures, CallSeries, Histogram, TokenCounts
from tidegate.monitoring.metrics.model_names import NONE, OTHER, ModelNames

_SOURCES = {
    "route": "entry.route",
    "provider": "entry.provider",
    "model": "entry.model",
    "outcome": "call_class",
    "cache": "entry.cache",
    "project": "entry.project",
}
"""Where in a report each label's value is."""
_ANSWERED, _DEGRADED = CallClass.ANSWERED, CallClass.DEGRADED
_SHORTCUTS_PER_SERIES = 4
_Values = tuple[str | None, ...]


class _CallSums:
    """The sums of the calls that have the same labels."""

    __slots__ = (
        "cache_write_tokens",
        "cached_tokens",
        "cost_nanos",
        "first_content",
        "first_content_ms",
        "gateway",
        "gateway_ms",
        "input_tokens",
        "output_tokens",
        "queue_ms",
        "reasoning_tokens",
        "saved_nanos",
        "total",
        "total_ms",
        "upstream_ms",
    )

    def __init__(self, time_buckets: int, gateway_buckets: int) -> None:
        self.first_content = [0] * (time_buckets + 1)
        self.total = [0] * (time_buckets + 1)
        self.gateway = [0] * (gateway_buckets + 1)
        self.first_content_ms = self.total_ms = self.gateway_ms = self.queue_ms = self.upstream_ms = 0
        self.input_tokens = self.cached_tokens = self.cache_write_tokens = 0
        self.output_tokens = self.reasoning_tokens = 0
        self.cost_nanos = self.saved_nanos = 0

    def add_series(self, series: CallSeries) -> None:
        """Add the figures of a process that was here before."""
        for counts, more in (
            (self.first_content, series.first_content),
            (self.total, series.total),
            (self.gateway, series.gateway),
        ):
            counts[:] = map(sum, zip(counts, more.counts, strict=True))
        self.first_content_ms += series.first_content.sum_ms
        self.total_ms += series.total.sum_ms
        self.gateway_ms += series.gateway.sum_ms
        self.queue_ms += series.queue_ms
        self.upstream_ms += series.upstream_ms
        self.input_tokens += series.tokens.input
        self.cached_tokens += series.tokens.cached_input
        self.cache_write_tokens += series.tokens.cache_write_input
        self.output_tokens += series.tokens.output
        self.reasoning_tokens += series.tokens.reasoning_output
        self.cost_nanos += series.cost_nanos
        self.saved_nanos += series.saved_nanos

    def series(self, labels: tuple[str, ...]) -> CallSeries:
        """Return the sums as a value."""
        return CallSeries(
            labels=labels,
            tokens=TokenCounts(
                self.input_tokens,
                self.cached_tokens,
                self.cache_write_tokens,
                self.output_tokens,
                self.reasoning_tokens,
            ),
            cost_nanos=self.cost_nanos,
            saved_nanos=self.saved_nanos,
            queue_ms=self.queue_ms,
            upstream_ms=self.upstream_ms,
            total=Histogram(tuple(self.total), self.total_ms),
            gateway=Histogram(tuple(self.gateway), self.gateway_ms),
            first_content=Histogram(tuple(self.first_content), self.first_content_ms),
        )


class CallMetrics:
    """The figures of this process's calls, by their labels. Implements `CallObserver`."""

    def __init__(self, config: MetricsConfig, models: ModelNames) -> None:
        """`models` are the names that labels may have."""
        self._labels = config.labels
        self._time_buckets = config.time_buckets
        self._gateway_buckets = config.gateway_buckets
        self._time_bounds_ms = [seconds * 1000 for seconds in config.time_buckets]
        self._gateway_bounds_ms = [seconds * 1000 for seconds in config.gateway_buckets]
        self._max_series = config.max_series
        self._models = models
        # two names, so that the getter returns a tuple whatever the labels are
        self._values_of = attrgetter("call_class", "entry.model", *(_SOURCES[label] for label in config.labels))
        self._by_labels: dict[tuple[str, ...], _CallSums] = {}
        self._by_values: dict[_Values, _CallSums] = {}
        """Shortcuts from a report's own values to their sums; bounded, because callers choose some of them."""

    def observe(self, report: CallReport) -> None:
        """Count a call that ended."""
        values = self._values_of(report)
        sums = self._by_values.get(values) or self._find(values)
        entry = report.entry
        sums.total[bisect_left(self._time_bounds_ms, report.total_ms)] += 1
        sums.total_ms += report.total_ms
        sums.gateway[bisect_left(self._gateway_bounds_ms, report.gateway_ms)] += 1
        sums.gateway_ms += report.gateway_ms
        first_content_ms = report.first_content_ms
        if first_content_ms is None and (report.call_class is _ANSWERED or report.call_class is _DEGRADED):
            first_content_ms = report.total_ms  # the whole answer arrives at once
        if first_content_ms is not None:
            sums.first_content[bisect_left(self._time_bounds_ms, first_content_ms)] += 1
            sums.first_content_ms += first_content_ms
        sums.queue_ms += report.queue_ms
        sums.upstream_ms += report.upstream_ms
        sums.input_tokens += entry.input_tokens
        sums.cached_tokens += entry.cached_tokens
        sums.cache_write_tokens += entry.cache_write_tokens
        sums.output_tokens += entry.output_tokens
        sums.reasoning_tokens += entry.reasoning_tokens
        sums.cost_nanos += entry.cost_nanos
        sums.saved_nanos += entry.saved_nanos

    def read(self) -> CallFigures:
        """Return the figures of this process."""
        return CallFigures(
            labels=self._labels,
            time_buckets=self._time_buckets,
            gateway_buckets=self._gateway_buckets,
            series=tuple(sums.series(labels) for labels, sums in self._by_labels.items()),
        )

    def add(self, figures: CallFigures) -> None:
        """Add the figures of a process that was here before, unless its configuration was another one."""
        if figures.matches(self.read()):
            for series in figures.series:
                self._sums(series.labels).add_series(series)

    def _find(self, values: _Values) -> _CallSums:
        """Return the sums of the calls with these values, and remember them while there is room."""
        call_class, model, *rest = values
        shown = self._models.label(model or "", answered=call_class == CallClass.ANSWERED)
        labels = tuple(
            shown if label == "model" else str(value or NONE) for label, value in zip(self._labels, rest, strict=True)
        )
        sums = self._sums(labels)
        if shown != OTHER and len(self._by_values) < _SHORTCUTS_PER_SERIES * self._max_series:
            self._by_values[values] = sums
        return sums

    def _sums(self, labels: tuple[str, ...]) -> _CallSums:
        sums = self._by_labels.get(labels)
        if sums is None:
            if len(self._by_labels) >= self._max_series:
                labels = (OTHER,) * len(labels)
            sums = self._by_labels.get(labels)
        if sums is None:
            sums = self._by_labels[labels] = _CallSums(len(self._time_buckets), len(self._gateway_buckets))
        return sums

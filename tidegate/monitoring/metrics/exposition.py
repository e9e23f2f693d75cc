"""Writes the figures in the formats of Prometheus and OpenMetrics, with Prometheus's own library.

Called for `/metrics`.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tidegate.core.money import NANOS
from tidegate.monitoring.counters import Counts, Gauge, Sample
from tidegate.monitoring.metrics.call_series import CallFigures, CallSeries, Histogram, TokenCounts, sum_of_calls

WORKER = "worker"
"""The label that distinguishes the processes of one gateway."""
_PREFIX = "tidegate_"
_LabelledValue = tuple[CallSeries, dict[str, str], float]
"""A series, labels besides its own, and a value."""
_TIMES = (
    ("request_seconds", "total", "Time from the arrival of a request to the end of its answer."),
    (
        "first_content_seconds",
        "first_content",
        "Time to the first content of an answer; the whole time, if it is no stream.",
    ),
    ("gateway_seconds", "gateway", "The gateway's own share of a request's time, without queue and upstream."),
)


class Exposition(msgspec.Struct, frozen=True):
    """The page of `/metrics`."""

    body: bytes
    content_type: str


def exposition(workers: Mapping[str, Counts], shared: Iterable[Gauge] = (), *, accept: str = "") -> Exposition:
    """Return the page in the format that `accept` prefers; without one, Prometheus's text format 0.0.4.

    Counters and gauges have each worker's figures under its name, which is empty for a single worker. The figures of
    calls are summed over all workers.
    """
    encode, content_type = choose_encoder(accept)
    return Exposition(encode(_Figures(workers, shared)), content_type)


class _Figures(Collector):
    """What the library reads when it writes a page."""

    def __init__(self, workers: Mapping[str, Counts], shared: Iterable[Gauge]) -> None:
        self._workers = workers
        self._shared = shared

    def collect(self) -> Iterator[Metric]:
        """Return the families."""
        yield from _counters(self._workers)
        yield from _gauges(self._workers)
        for gauge in self._shared:
            yield _family(gauge.name, "gauge", gauge.help, [("", sample) for sample in gauge.samples])
        calls = sum_of_calls(counts.calls for counts in self._workers.values() if counts.calls is not None)
        if calls is not None:
            yield from _call_counters(calls)
            yield from _call_histograms(calls)


def _counters(workers: Mapping[str, Counts]) -> Iterator[Metric]:
    failures = [
        (name, Sample(count, {"error": error, "route": route}))
        for name, counts in workers.items()
        for error, routes in counts.failures.items()
        for route, count in routes.items()
    ]
    yield _family("failures", "counter", "Calls that ended with a typed error.", failures)
    events = [
        (name, Sample(count, {"event": what}))
        for name, counts in workers.items()
        for what, count in counts.internal_events.items()
    ]
    yield _family("own_part_events", "counter", "Events of the gateway's own parts.", events)


def _gauges(workers: Mapping[str, Counts]) -> Iterator[Metric]:
    families: dict[str, list[tuple[str, Sample]]] = {}
    helps: dict[str, str] = {}
    for name, counts in workers.items():
        for gauge in counts.gauges:
            helps[gauge.name] = gauge.help
            families.setdefault(gauge.name, []).extend((name, sample) for sample in gauge.samples)
    for family, samples in families.items():
        yield _family(family, "gauge", helps[family], samples)


def _family(name: str, kind: str, help_text: str, samples: Iterable[tuple[str, Sample]]) -> Metric:
    metric = Metric(_PREFIX + name, help_text, kind)
    full_name = metric.name + ("_total" if kind == "counter" else "")
    for worker, sample in samples:
        metric.add_sample(full_name, sample.labels | ({WORKER: worker} if worker else {}), sample.value)
    return metric


def _call_counters(calls: CallFigures) -> Iterator[Metric]:
    def counter(name: str, help_text: str, values: Iterable[_LabelledValue]) -> Metric:
        samples = [("", Sample(value, _labels(calls, series) | more)) for series, more, value in values]
        return _family(name, "counter", help_text, samples)

    def sums(field: str, unit: float) -> Iterator[_LabelledValue]:
        return ((series, {}, getattr(series, field) / unit) for series in calls.series)

    requests: Iterator[_LabelledValue] = ((series, {}, sum(series.total.counts)) for series in calls.series)
    yield counter("requests", "Requests that ended.", requests)
    tokens: Iterator[_LabelledValue] = (
        (series, {"class": name}, getattr(series.tokens, name))
        for series in calls.series
        for name in TokenCounts.__struct_fields__
    )
    yield counter("tokens", "Tokens; cached ones are a part of input, reasoning is a part of output.", tokens)
    yield counter("cost_dollars", "What the requests cost.", sums("cost_nanos", NANOS))
    yield counter("saved_dollars", "What the cache saved.", sums("saved_nanos", NANOS))
    yield counter("queue_wait_seconds", "Time that requests waited in the queue.", sums("queue_ms", 1000))
    yield counter("upstream_wait_seconds", "Time that requests waited for the upstream.", sums("upstream_ms", 1000))


def _call_histograms(calls: CallFigures) -> Iterator[Metric]:
    for name, field, help_text in _TIMES:
        metric = Metric(_PREFIX + name, help_text, "histogram")
        bounds = calls.gateway_buckets if field == "gateway" else calls.time_buckets
        for series in calls.series:
            _add_histogram(metric, _labels(calls, series), bounds, getattr(series, field))
        yield metric


def _add_histogram(metric: Metric, labels: dict[str, str], bounds: tuple[float, ...], histogram: Histogram) -> None:
    below = 0
    for bound, count in zip((*map(str, bounds), "+Inf"), histogram.counts, strict=True):
        below += count
        metric.add_sample(f"{metric.name}_bucket", labels | {"le": bound}, below)
    metric.add_sample(f"{metric.name}_count", labels, below)
    metric.add_sample(f"{metric.name}_sum", labels, histogram.sum_ms / 1000)


def _labels(calls: CallFigures, series: CallSeries) -> dict[str, str]:
    return dict(zip(calls.labels, series.labels, strict=True))

"""Metrics of calls are summed since the start, and only calls that were sent count for the provider."""

import msgspec
from opentelemetry.sdk.metrics.export import Histogram, HistogramDataPoint, MetricsData
from opentelemetry.sdk.resources import Resource

from tests.monitoring.call_reports import REPORT
from tidegate.monitoring.metrics.model_names import ModelNames
from tidegate.monitoring.otlp.conventions import OPERATION_DURATION, SERVER_DURATION, Providers
from tidegate.monitoring.otlp.instruments import GenAiInstruments

HIT = msgspec.structs.replace(REPORT, entry=msgspec.structs.replace(REPORT.entry, attempts=0, cache="hit"))


def counts(figures: MetricsData | None) -> dict[str, int]:
    assert figures is not None
    metrics = figures.resource_metrics[0].scope_metrics[0].metrics
    return {
        metric.name: sum(point.count for point in metric.data.data_points if isinstance(point, HistogramDataPoint))
        for metric in metrics
        if isinstance(metric.data, Histogram)
    }


def test_a_hit_counts_at_the_gateway_only() -> None:
    instruments = GenAiInstruments(Resource.get_empty(), Providers({}), ModelNames(set(), max_listed=0))
    instruments.record(HIT)
    instruments.record(REPORT)
    counted = counts(instruments.read())
    assert (counted[SERVER_DURATION], counted[OPERATION_DURATION]) == (2, 1)
    assert counts(instruments.read()) == counted  # cumulative: a lost batch loses nothing

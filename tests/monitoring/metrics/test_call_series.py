"""The figures of several processes are summed by label, and those of another configuration are left out."""

import msgspec

from tests.monitoring.call_reports import REPORT, report
from tidegate.core.config import MetricsConfig
from tidegate.monitoring.metrics.call_metrics import CallMetrics
from tidegate.monitoring.metrics.call_series import CallFigures, sum_of_calls
from tidegate.monitoring.metrics.model_names import ModelNames


def figures(*models: str, config: MetricsConfig | None = None) -> CallFigures:
    metrics = CallMetrics(config or MetricsConfig(), ModelNames({"gpt-4o-mini", "gpt-4o"}, max_listed=0))
    for model in models:
        metrics.observe(report(model=model))
    return metrics.read()


def test_equal_labels_are_added_and_others_stand_beside_them() -> None:
    summed = sum_of_calls([figures("gpt-4o-mini", "gpt-4o-mini"), figures("gpt-4o", "gpt-4o-mini")])
    assert summed is not None
    by_model = {series.labels[2]: series for series in summed.series}
    assert {model: sum(series.total.counts) for model, series in by_model.items()} == {"gpt-4o": 1, "gpt-4o-mini": 3}
    assert by_model["gpt-4o-mini"].total.sum_ms == 3 * REPORT.total_ms
    assert by_model["gpt-4o-mini"].cost_nanos == 3 * REPORT.entry.cost_nanos
    assert msgspec.structs.astuple(by_model["gpt-4o-mini"].tokens) == (300, 120, 0, 90, 30)


def test_no_process_has_no_sum() -> None:
    assert sum_of_calls([]) is None


def test_other_buckets_are_not_added() -> None:
    first = figures("gpt-4o")
    assert sum_of_calls([first, figures("gpt-4o", config=MetricsConfig(time_buckets=(1.0, 2.0)))]) == first
    assert sum_of_calls([first, figures("gpt-4o", config=MetricsConfig(labels=("model",)))]) == first


def test_the_sum_is_the_same_after_a_file_between_processes() -> None:
    own = figures("gpt-4o", "gpt-4o-mini")
    assert msgspec.json.decode(msgspec.json.encode(own), type=CallFigures) == own

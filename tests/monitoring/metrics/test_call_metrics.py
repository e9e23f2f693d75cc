"""Each call is counted once under its labels, whose values callers cannot multiply."""

import time

from tests.monitoring.call_reports import REPORT, report
from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.config import MetricsConfig
from tidegate.monitoring.metrics.call_metrics import CallMetrics
from tidegate.monitoring.metrics.model_names import ModelNames


def metrics(config: MetricsConfig | None = None) -> CallMetrics:
    config = config or MetricsConfig()
    listed = [f"listed-{number}" for number in range(100)]
    return CallMetrics(config, ModelNames({"gpt-4o-mini"}, listed, max_listed=config.max_models))


def requests(counted: CallMetrics) -> dict[tuple[str, ...], int]:
    return {series.labels: sum(series.total.counts) for series in counted.read().series}


def test_calls_are_counted_by_route_provider_model_outcome_and_cache() -> None:
    counted = metrics()
    for each in (
        report(),
        report(),
        report(cache="hit"),
        report(call_class=CallClass.FAILED, outcome="server_error"),
        report(call_class=CallClass.REFUSED, provider=None, model=""),
    ):
        counted.observe(each)
    assert requests(counted) == {
        ("chat", "openai", "gpt-4o-mini", "answered", "miss"): 2,
        ("chat", "openai", "gpt-4o-mini", "answered", "hit"): 1,
        ("chat", "openai", "gpt-4o-mini", "failed", "miss"): 1,
        ("chat", "none", "none", "refused", "miss"): 1,
    }


def test_each_time_lies_in_its_bucket() -> None:
    counted = metrics(MetricsConfig(time_buckets=(1.0, 5.0), gateway_buckets=(0.01,)))
    for total_ms in (999, 1000, 1001, 5000, 5001):
        counted.observe(report(total_ms=total_ms, first_content_ms=None))
    [series] = counted.read().series
    assert series.total.counts == (2, 2, 1)
    assert series.total.sum_ms == 999 + 1000 + 1001 + 5000 + 5001
    assert series.gateway.counts == (5, 0)


def test_the_first_content_of_an_answer_that_is_no_stream_is_the_whole() -> None:
    counted = metrics(MetricsConfig(labels=("route",), time_buckets=(1.0, 5.0)))
    counted.observe(report(total_ms=9000, first_content_ms=900))
    counted.observe(report(total_ms=2000, first_content_ms=None))
    counted.observe(report(total_ms=2000, first_content_ms=None, call_class=CallClass.DEGRADED))
    for without in (CallClass.FAILED, CallClass.REFUSED, CallClass.CLIENT_GONE):
        counted.observe(report(first_content_ms=None, call_class=without))
    [series] = counted.read().series
    assert series.first_content.counts == (1, 2, 0)
    assert series.first_content.sum_ms == 4900


def test_what_calls_cost_and_waited_is_summed() -> None:
    counted = metrics()
    counted.observe(REPORT)
    counted.observe(REPORT)
    [series] = counted.read().series
    assert (series.cost_nanos, series.queue_ms, series.upstream_ms) == (66_000, 200, 4780)


def test_labels_are_chosen_by_the_configuration() -> None:
    counted = metrics(MetricsConfig(labels=("project", "model")))
    counted.observe(report(model="invented", call_class=CallClass.REFUSED))
    assert requests(counted) == {("shop", "other"): 1}


def test_callers_cannot_fill_the_page_nor_the_memory() -> None:
    counted = metrics(MetricsConfig(max_models=3, max_series=10))
    for number in range(5000):
        counted.observe(report(model=f"invented-{number}", call_class=CallClass.REFUSED))
        counted.observe(report(model=f"listed-{number % 100}"))
    assert len(requests(counted)) == 5  # three models, `other` answered, `other` refused
    for number in range(100):
        counted.observe(report(provider=f"provider-{number}"))
    assert len(requests(counted)) == 11
    assert requests(counted)[("other",) * 5] == 95
    assert sum(requests(counted).values()) == 10_100


def test_a_successor_continues_the_figures_of_its_predecessor() -> None:
    before, after = metrics(), metrics()
    before.observe(REPORT)
    after.add(before.read())
    after.observe(REPORT)
    [series] = after.read().series
    assert (sum(series.total.counts), series.cost_nanos) == (2, 66_000)


def test_a_predecessor_with_other_buckets_is_not_continued() -> None:
    before, after = metrics(MetricsConfig(time_buckets=(1.0,))), metrics()
    before.observe(REPORT)
    after.add(before.read())
    assert after.read().series == ()


def test_an_observation_costs_microseconds() -> None:
    counted = metrics()
    observe = counted.observe
    best = min(_seconds(observe) for _ in range(20))
    assert best / 1000 < 25e-6  # 2 µs on a quiet machine; the library's own counters and histograms take ten times that


def _seconds(observe: object) -> float:
    assert callable(observe)
    started = time.process_time()
    for _ in range(1000):
        observe(REPORT)
    return time.process_time() - started


def test_reports_are_not_changed() -> None:
    before = REPORT
    metrics().observe(REPORT)
    assert before == REPORT
    assert isinstance(REPORT, CallReport)

"""The figures are written so that Prometheus's own parsers read them, as text and as OpenMetrics."""

from collections.abc import Iterable

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_families

from tests.monitoring.call_reports import report
from tidegate.core.call_report import CallClass
from tidegate.core.config import MetricsConfig
from tidegate.monitoring.counters import Counts, Gauge, Sample
from tidegate.monitoring.metrics.call_metrics import CallMetrics
from tidegate.monitoring.metrics.call_series import CallFigures
from tidegate.monitoring.metrics.exposition import exposition
from tidegate.monitoring.metrics.model_names import ModelNames

UP = Gauge(name="redis_up", help="Whether it is.", samples=(Sample(1),))
SPENT = Gauge(name="spent", help="All that was.", samples=(Sample(0.5, {"period": "day"}),))
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
ODD_NAME = 'a"b\\c\nd'


def openmetrics_families(page: str) -> list[Metric]:
    families: Iterable[Metric] = openmetrics.text_string_to_metric_families(page)  # type: ignore[no-untyped-call]  # the library's
    return list(families)


def calls(*totals_ms: int, model: str = "gpt-4o") -> CallFigures:
    config = MetricsConfig(labels=("model", "outcome"), time_buckets=(1.0, 5.0))
    metrics = CallMetrics(config, ModelNames({model}, max_listed=0))
    for total_ms in totals_ms:
        metrics.observe(report(model=model, total_ms=total_ms))
    return metrics.read()


def counts(*, calls: CallFigures | None = None, lost: int = 0) -> Counts:
    return Counts(
        failures={"truncated_answer": {"chat": 2}, "insufficient_quota": {"chat": 1}},
        internal_events={"redis_lost": lost},
        gauges=(UP,),
        calls=calls,
    )


def text(workers: dict[str, Counts], *shared: Gauge) -> str:
    return exposition(workers, shared).body.decode()


def values(page: str) -> dict[str, float]:
    """Return the value of each sample by its name and sorted labels."""
    return {
        " ".join((sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items())))): sample.value
        for family in text_families(page)
        for sample in family.samples
    }


def test_each_figure_has_its_line() -> None:
    page = text({"": counts(lost=7)})
    assert values(page) == {
        "tidegate_failures_total error=truncated_answer route=chat": 2,
        "tidegate_failures_total error=insufficient_quota route=chat": 1,
        "tidegate_own_part_events_total event=redis_lost": 7,
        "tidegate_redis_up": 1,
    }
    assert "# HELP tidegate_redis_up Whether it is.\n# TYPE tidegate_redis_up gauge\n" in page


def test_calls_have_counters_and_histograms() -> None:
    figures = values(text({"": counts(calls=calls(900, 2500, 4000, 60_000))}))
    labels = "model=gpt-4o outcome=answered"
    assert figures[f"tidegate_requests_total {labels}"] == 4
    assert figures[f"tidegate_tokens_total class=input {labels}"] == 400
    assert figures[f"tidegate_tokens_total class=cached_input {labels}"] == 160
    assert figures[f"tidegate_cost_dollars_total {labels}"] == pytest.approx(0.000132)
    assert figures[f"tidegate_queue_wait_seconds_total {labels}"] == pytest.approx(0.4)
    buckets = [figures[f"tidegate_request_seconds_bucket le={bound} {labels}"] for bound in ("1.0", "5.0", "+Inf")]
    assert buckets == [1, 3, 4]
    assert figures[f"tidegate_request_seconds_sum {labels}"] == pytest.approx(67.4)
    assert figures[f"tidegate_first_content_seconds_count {labels}"] == 4
    assert figures[f"tidegate_gateway_seconds_bucket le=0.01 {labels}"] == 4


def test_workers_have_a_label_and_their_calls_are_summed() -> None:
    page = text({"0": counts(calls=calls(100), lost=1), "1": counts(calls=calls(100, 200), lost=2)}, SPENT)
    figures = values(page)
    assert figures["tidegate_own_part_events_total event=redis_lost worker=0"] == 1
    assert figures["tidegate_own_part_events_total event=redis_lost worker=1"] == 2
    assert figures["tidegate_spent period=day"] == 0.5
    assert figures["tidegate_requests_total model=gpt-4o outcome=answered"] == 3
    families = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))


def test_a_label_may_hold_any_text() -> None:
    figures = values(text({"": counts(calls=calls(100, model=ODD_NAME))}))
    assert figures[f"tidegate_requests_total model={ODD_NAME} outcome=answered"] == 1


def test_openmetrics_is_given_to_those_that_prefer_it() -> None:
    workers = {"0": counts(calls=calls(100, 7000)), "1": counts(calls=calls(200, model=ODD_NAME))}
    page = exposition(workers, [SPENT], accept=OPENMETRICS)
    assert page.content_type.startswith("application/openmetrics-text; version=1.0.0")
    samples = [sample for family in openmetrics_families(page.body.decode()) for sample in family.samples]
    assert sum(sample.value for sample in samples if sample.name == "tidegate_requests_total") == 3
    assert exposition(workers, accept="*/*").content_type.startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('le="5.0"', 'le="0.5"'),  # buckets out of order
        ("tidegate_request_seconds_count", "tidegate_request_seconds_total"),  # no sample of a histogram
        ("# EOF", ""),
        ('outcome="answered"', "outcome=answered"),
    ],
)
def test_the_parser_refuses_a_planted_error(right: str, wrong: str) -> None:
    page = exposition({"": counts(calls=calls(100, 7000))}, accept=OPENMETRICS).body.decode()
    assert openmetrics_families(page)
    assert right in page
    with pytest.raises(ValueError, match=r".+"):
        openmetrics_families(page.replace(right, wrong))


def test_no_call_class_is_missing_on_the_page() -> None:
    metrics = CallMetrics(MetricsConfig(), ModelNames({"gpt-4o"}, max_listed=0))
    for call_class in CallClass:
        metrics.observe(report(call_class=call_class))
    page = text({"": counts(calls=metrics.read())})
    assert all(f'outcome="{call_class}"' in page for call_class in CallClass)

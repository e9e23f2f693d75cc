"""The policies and metrics for Google follow its schema, which finds planted errors, and name each other's metrics."""

import copy
import re
from typing import Any

import pytest

from tests.deploy.changes import GONE, put
from tests.deploy.follows import breaches
from tidegate.alerts.cloud.google import google_files
from tidegate.alerts.thresholds import Thresholds

FILES = google_files(Thresholds(slow_ms=8_000, error_rate=0.02))


def kind_of(name: str) -> str:
    return "LogMetric" if name.startswith("metric-") else "AlertPolicy"


@pytest.mark.parametrize("name", FILES)
def test_a_file_follows_the_schema(name: str) -> None:
    assert breaches(FILES[name], "google_monitoring", kind_of(name)) == []


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("policy-slow.json", ("combiner",), "EITHER"),
        ("policy-slow.json", ("conditions", 0, "conditionPrometheusQueryLanguage", "interval"), "60s"),
        ("policy-errors.json", ("conditions", 0, "conditionPromQL"), {}),
        ("metric-tidegate_calls.json", ("metricDescriptor", "valueType"), "INT"),
        ("metric-tidegate_cost_usd.json", ("extractor",), "x"),
    ],
)
def test_a_planted_error_is_found(name: str, path: tuple[Any, ...], value: object) -> None:
    made = copy.deepcopy(dict(FILES[name]))
    put(made, path, value)
    assert breaches(made, "google_monitoring", kind_of(name)) != []


def unknown_metrics(files: dict[str, Any]) -> set[str]:
    """Return the metrics that policies read and no file makes."""
    queries = [
        condition["conditionPrometheusQueryLanguage"]["query"]
        for name, file in files.items()
        if kind_of(name) == "AlertPolicy"
        for condition in file["conditions"]
    ]
    read = {
        found for query in queries for found in re.findall(r"user_(tidegate_\w+?)(?:_bucket|_count|_sum)?\{", query)
    }
    return read - {file["name"] for name, file in files.items() if kind_of(name) == "LogMetric"}


def test_policies_read_the_metrics_that_are_made() -> None:
    assert unknown_metrics(dict(FILES)) == set()
    fewer = copy.deepcopy(dict(FILES))
    put(fewer, ("metric-tidegate_calls.json",), GONE)
    assert unknown_metrics(fewer) == {"tidegate_calls"}


def test_the_thresholds_are_those_of_the_configuration() -> None:
    [errors] = FILES["policy-errors.json"]["conditions"]
    slow = FILES["policy-slow.json"]["conditions"]
    assert "> 0.02 and" in errors["conditionPrometheusQueryLanguage"]["query"]
    assert ["> 8000 and" in each["conditionPrometheusQueryLanguage"]["query"] for each in slow] == [True, True]

"""The alarms of each cloud read only what the call log's lines have: a field or metric that is renamed is found."""

import json
import re
from typing import Any

import msgspec
import pytest

from tests.observed_calls import report_of
from tidegate.alerts.cloud.files import CLOUDS, Cloud, alarm_files
from tidegate.alerts.thresholds import Thresholds
from tidegate.core.call_report import CallClass
from tidegate.monitoring.call_log.line import line_of
from tidegate.monitoring.call_log.shapes import shaper

NAMESPACE = "Shop/Gateway"
REPORTS = [
    *(report_of(call_class=kind) for kind in CallClass),
    report_of(stream=True, first_content_ms=240, first_byte_ms=230),
]
SHAPES: dict[Cloud, Any] = {"aws": "emf", "gcp": "cloud_run", "azure": "plain"}
FIELDS: dict[Cloud, str] = {"aws": r"\$\.(\w+)", "gcp": r"jsonPayload\.(\w+)", "azure": r"\bcall\.(\w+)"}
CLASSES: dict[Cloud, tuple[str, ...]] = {
    "aws": (r'\$\.class = ("\w+")',),
    "gcp": (r"jsonPayload\.class=\(([^)]*)\)", r'class=~("[^"]*")'),
    "azure": (r"call\.class\) in \(([^)]*)\)", r'call\.class\) != ("\w+")'),
}
"""What each cloud's own language compares a line's class with."""


def lines_of(cloud: Cloud) -> list[dict[str, Any]]:
    """Return the lines as the cloud receives them: of an answer of each class, and of a stream."""
    shape = shaper(SHAPES[cloud], namespace=NAMESPACE, google_project=None)
    return [msgspec.json.decode(shape(line_of(report))) for report in REPORTS]


def texts(value: Any) -> list[str]:
    """Return all texts within a document."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def files_of(cloud: Cloud) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(alarm_files(cloud, Thresholds(), namespace=NAMESPACE)))
    return made


def unknown_fields(cloud: Cloud, lines: list[dict[str, Any]]) -> set[str]:
    """Return the fields that the files read and no line has."""
    read = {name for text in texts(files_of(cloud)) for name in re.findall(FIELDS[cloud], text)}
    assert read >= {"class", "first_content_ms", "total_ms"}
    return read - {name for line in lines for name in line}


def unknown_classes(cloud: Cloud, lines: list[dict[str, Any]]) -> set[str]:
    """Return the classes that the files name and no line has."""
    compared = [found for text in texts(files_of(cloud)) for each in CLASSES[cloud] for found in re.findall(each, text)]
    named = {name for words in compared for quoted in re.findall(r'"([^"]*)"', words) for name in quoted.split("|")}
    assert named >= {"answered", "degraded"}
    return named - {line.get("class") for line in lines}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_fields_are_those_of_the_lines(cloud: Cloud) -> None:
    assert unknown_fields(cloud, lines_of(cloud)) == set()


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("field", ["class", "first_content_ms", "total_ms"])
def test_a_field_that_is_renamed_is_found(cloud: Cloud, field: str) -> None:
    lines = [
        {f"new_{name}" if name == field else name: value for name, value in one.items()} for one in lines_of(cloud)
    ]
    assert unknown_fields(cloud, lines) == {field}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_classes_are_those_of_the_lines(cloud: Cloud) -> None:
    assert unknown_classes(cloud, lines_of(cloud)) == set()
    renamed = [{**line, "class": f"new_{line['class']}"} for line in lines_of(cloud)]
    assert unknown_classes(cloud, renamed) >= {"answered", "degraded"}


def made_metrics(lines: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """Return the metrics that CloudWatch makes of the lines: namespace, name, and dimensions with their values."""
    return {
        (directive["Namespace"], metric["Name"], frozenset((name, line[name]) for name in names))
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for names in directive["Dimensions"]
    }


def filtered_metrics() -> set[tuple[Any, ...]]:
    """Return the metrics that the template itself makes of the lines."""
    resources = files_of("aws")["alarms.json"]["Resources"].values()
    made = [each["Properties"]["MetricTransformations"][0] for each in resources if "MetricFilter" in each["Type"]]
    return {(each["MetricNamespace"], each["MetricName"], frozenset()) for each in made}


def read_metrics() -> set[tuple[Any, ...]]:
    """Return the metrics that the alarms read."""
    resources = files_of("aws")["alarms.json"]["Resources"].values()
    read = [
        each["MetricStat"]["Metric"]
        for resource in resources
        for each in resource["Properties"].get("Metrics", ())
        if "MetricStat" in each
    ]
    return {
        (
            each["Namespace"],
            each["MetricName"],
            frozenset((one["Name"], one["Value"]) for one in each.get("Dimensions", ())),
        )
        for each in read
    }


def test_cloudwatch_makes_the_metrics_that_the_alarms_read() -> None:
    lines = lines_of("aws")
    assert read_metrics() - filtered_metrics() - made_metrics(lines) == set()
    assert len(filtered_metrics()) == 1, "both filters make the same metric"


@pytest.mark.parametrize("change", ["namespace", "metric", "dimension"])
def test_a_metric_that_is_renamed_is_found(change: str) -> None:
    lines = lines_of("aws")
    for line in lines:
        [directive] = line["_aws"]["CloudWatchMetrics"]
        if change == "namespace":
            directive["Namespace"] = "Tidegate"
        elif change == "metric":
            directive["Metrics"] = [each for each in directive["Metrics"] if each["Name"] != "cost_usd"]
        else:
            line["service"] = "gateway"
    missing = {name for _, name, _ in read_metrics() - filtered_metrics() - made_metrics(lines)}
    assert missing == ({"cost_usd"} if change == "metric" else {"calls", "cost_usd"})

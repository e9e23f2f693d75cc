"""The alarms for AWS pass CloudFormation's linter, which finds planted errors, and have the configured thresholds."""

import copy
import json
from typing import Any

import pytest
from cfnlint.api import lint

from tests.deploy.changes import GONE, put
from tidegate.alerts.cloud.aws import aws_files
from tidegate.alerts.thresholds import Thresholds

THRESHOLDS = Thresholds(slow_ms=8_000, error_rate=0.02, cost_nanos=250_000_000_000, min_calls=30, window_seconds=90)
ALARM = ("Resources", "Errors", "Properties")


def template() -> dict[str, Any]:
    return copy.deepcopy(dict(aws_files(THRESHOLDS, "Tidegate")["alarms.json"]))


def complaints(made: dict[str, Any]) -> list[str]:
    return [found.rule.id for found in lint(json.dumps(made), regions=["eu-central-1"])]


def test_the_template_is_valid() -> None:
    assert complaints(template()) == []


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ((*ALARM, "ComparisonOperator"), "MuchGreater", "E3030"),
        ((*ALARM, "Metrics", 1, "Id"), GONE, "E3003"),
        ((*ALARM, "Tresholds"), 5, "E3002"),
        ((*ALARM, "AlarmActions"), [{"Ref": "Nothing"}], "E1020"),
        (("Resources", "WaitOfStreams", "Properties", "FilterPattern"), GONE, "E3003"),
    ],
)
def test_a_planted_error_is_found(path: tuple[Any, ...], value: object, rule: str) -> None:
    made = template()
    put(made, path, value)
    assert rule in complaints(made)


def test_the_thresholds_are_those_of_the_configuration() -> None:
    resources = template()["Resources"]
    assert {name: resources[name]["Properties"]["Threshold"] for name in ("Slow", "Errors", "Cost")} == {
        "Slow": 8_000,
        "Errors": 2.0,
        "Cost": 250.0,
    }
    slow, p95, _ = resources["Slow"]["Properties"]["Metrics"]
    assert "calls >= 30" in slow["Expression"]
    assert p95["MetricStat"]["Period"] == 120, "whole minutes, not less than the window"

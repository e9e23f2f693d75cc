"""The rules for Azure follow its model, which finds planted errors, and have the configured thresholds."""

import copy
from typing import Any

import pytest

from tests.deploy.changes import GONE, put
from tests.deploy.follows import breaches
from tidegate.alerts.cloud.azure import azure_files
from tidegate.alerts.thresholds import Thresholds

THRESHOLDS = Thresholds(slow_ms=8_000, error_rate=0.02, cost_nanos=250_000_000_000, window_seconds=360)
RULES: list[dict[str, Any]] = azure_files(THRESHOLDS)["alarms.json"]["resources"]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_follows_the_model(rule: dict[str, Any]) -> None:
    assert breaches(rule, "scheduled_query_rules", "ScheduledQueryRuleResource") == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("location",), GONE),
        (("kind",), "Alarm"),
        (("properties", "severity"), "high"),
        (("properties", "criteria", "allOf", 0, "operator"), "MoreThan"),
        (("properties", "criteria", "anyOf"), []),
        (("properties", "window"), "PT5M"),
    ],
)
def test_a_planted_error_is_found(path: tuple[Any, ...], value: object) -> None:
    rule = copy.deepcopy(RULES[0])
    put(rule, path, value)
    assert breaches(rule, "scheduled_query_rules", "ScheduledQueryRuleResource") != []


def test_the_thresholds_are_those_of_the_configuration() -> None:
    criteria = {rule["name"]: rule["properties"]["criteria"]["allOf"][0]["threshold"] for rule in RULES}
    assert criteria == {"tidegate-slow": 8_000, "tidegate-errors": 2.0, "tidegate-cost": 250.0}
    assert [rule["properties"]["windowSize"] for rule in RULES] == ["PT10M", "PT10M", "P1D"]

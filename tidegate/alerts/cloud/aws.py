"""The alarms as a CloudFormation template: on the metrics of `emf` lines, and on filters of the same lines.

A metric filter is needed for what callers wait, because that is the first content of a stream and the whole of any
other answer. Source: "Using metric math" and "Filter pattern syntax" in the CloudWatch user guide.
"""

from collections.abc import Mapping
from typing import Any

from tidegate.alerts.thresholds import AlertName, Thresholds

_DAY_SECONDS = 86_400
_COUNTED = ("answered", "degraded", "failed")
_COUNTS = '(($.class = "answered") || ($.class = "degraded") || ($.class = "failed"))'


def aws_files(thresholds: Thresholds, namespace: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the template; `namespace` is that of the metrics in `emf` lines."""
    alarms = {
        AlertName.SLOW: {
            "WaitOfStreams": _wait(f"{{ {_COUNTS} && ($.first_content_ms >= 0) }}", "$.first_content_ms", namespace),
            "WaitOfOthers": _wait(f"{{ {_COUNTS} && ($.first_content_ms NOT EXISTS) }}", "$.total_ms", namespace),
            "Slow": _alarm("callers wait too long", thresholds.slow_ms, _slow(thresholds, namespace)),
        },
        AlertName.ERRORS: {
            "Errors": _alarm("too many calls fail", 100 * thresholds.error_rate, _errors(thresholds, namespace))
        },
        AlertName.COST: {
            "Cost": _alarm("the deployment spends more than planned", thresholds.cost_nanos / 1e9, _cost(namespace))
        },
    }
    resources = {
        name: each for alert, made in alarms.items() if alert in thresholds.enabled for name, each in made.items()
    }
    return {
        "alarms.json": {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": "Tidegate: the alarms slow, errors and cost",
            "Parameters": _parameters(thresholds),
            "Resources": resources,
        }
    }


def _parameters(thresholds: Thresholds) -> dict[str, Any]:
    topic = {"Topic": {"Type": "String", "Description": "The ARN of the SNS topic that the alarms tell"}}
    if AlertName.SLOW not in thresholds.enabled:
        return topic
    return {**topic, "LogGroup": {"Type": "String", "Description": "The log group of the gateway's standard output"}}


def _wait(pattern: str, value: str, namespace: str) -> dict[str, Any]:
    made = {"MetricNamespace": namespace, "MetricName": "wait_ms", "MetricValue": value, "Unit": "Milliseconds"}
    properties = {"LogGroupName": {"Ref": "LogGroup"}, "FilterPattern": pattern, "MetricTransformations": [made]}
    return {"Type": "AWS::Logs::MetricFilter", "Properties": properties}


def _alarm(description: str, threshold: float, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    properties = {
        "AlarmDescription": f"Tidegate: {description}. Run `tidegate alerts show` for the cause.",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": threshold,
        "EvaluationPeriods": 1,
        "TreatMissingData": "notBreaching",
        "AlarmActions": [{"Ref": "Topic"}],
        "OKActions": [{"Ref": "Topic"}],
        "Metrics": metrics,
    }
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


def _period(thresholds: Thresholds) -> int:
    return -(-thresholds.window_seconds // 60) * 60  # CloudWatch knows whole minutes


def _slow(thresholds: Thresholds, namespace: str) -> list[dict[str, Any]]:
    period = _period(thresholds)
    return [
        {
            "Id": "slow",
            "Expression": f"IF(calls >= {thresholds.min_calls}, p95, 0)",
            "Label": "p95",
            "ReturnData": True,
        },
        _metric("p95", "wait_ms", "p95", period, namespace),
        _metric("calls", "wait_ms", "SampleCount", period, namespace),
    ]


def _errors(thresholds: Thresholds, namespace: str) -> list[dict[str, Any]]:
    counted = " + ".join(f"FILL({name}, 0)" for name in _COUNTED)
    share = f"100 * (FILL(failed, 0) + FILL(degraded, 0)) / ({counted})"
    expression = f"IF(({counted}) >= {thresholds.min_calls}, {share}, 0)"
    classes = [
        _metric(name, "calls", "Sum", _period(thresholds), namespace, service="tidegate", **{"class": name})
        for name in _COUNTED
    ]
    return [{"Id": "share", "Expression": expression, "Label": "percent of calls", "ReturnData": True}, *classes]


def _cost(namespace: str) -> list[dict[str, Any]]:
    spent = _metric("spent", "cost_usd", "Sum", _DAY_SECONDS, namespace, service="tidegate")
    return [{**spent, "ReturnData": True}]


def _metric(  # a parameter for each part
    name: str, metric: str, statistic: str, period: int, namespace: str, **dimensions: str
) -> dict[str, Any]:
    named = {"Namespace": namespace, "MetricName": metric}
    listed = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    described: dict[str, Any] = {**named, "Dimensions": listed} if listed else named
    stat = {"Metric": described, "Period": period, "Stat": statistic}
    return {"Id": name, "MetricStat": stat, "ReturnData": False}

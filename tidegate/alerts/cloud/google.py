"""The alarms as metrics of Cloud Logging, made of the call log's lines, and as policies of Cloud Monitoring over them.

Source: the reference of `LogMetric` and `AlertPolicy`, and "PromQL for Cloud Monitoring metrics".
"""

from collections.abc import Mapping
from typing import Any

from tidegate.alerts.thresholds import AlertName, Thresholds

_RESOURCE = "cloud_run_revision"
_COUNTED = 'jsonPayload.class=("answered" OR "degraded" OR "failed")'
_OF_SERVICE = f'resource.type="{_RESOURCE}" AND {_COUNTED}'


def google_files(thresholds: Thresholds) -> Mapping[str, Mapping[str, Any]]:
    """Return a file for each metric, `metric-NAME.json`, and for each policy, `policy-NAME.json`."""
    made: dict[AlertName, dict[str, dict[str, Any]]] = {
        AlertName.SLOW: {
            **_metric_file("wait_streams", f"{_OF_SERVICE} AND jsonPayload.first_content_ms>=0", "first_content_ms"),
            **_metric_file("wait_others", f"{_OF_SERVICE} AND NOT jsonPayload.first_content_ms:*", "total_ms"),
            **_policy("slow", "callers wait too long", *_slow(thresholds)),
        },
        AlertName.ERRORS: {
            "metric-tidegate_calls.json": _calls_metric(),
            **_policy("errors", "too many calls fail", _errors(thresholds)),
        },
        AlertName.COST: {
            **_metric_file("cost_usd", f"{_OF_SERVICE} AND jsonPayload.cost_usd>0", "cost_usd"),
            **_policy("cost", "the deployment spends more than planned", _cost(thresholds)),
        },
    }
    return {name: file for alert, files in made.items() if alert in thresholds.enabled for name, file in files.items()}


def _metric_file(name: str, selection: str, field: str) -> dict[str, dict[str, Any]]:
    return {
        f"metric-tidegate_{name}.json": {
            "name": f"tidegate_{name}",
            "filter": selection,
            "valueExtractor": f"EXTRACT(jsonPayload.{field})",
            "metricDescriptor": {"metricKind": "DELTA", "valueType": "DISTRIBUTION"},
            "bucketOptions": {"exponentialBuckets": {"numFiniteBuckets": 64, "growthFactor": 1.25, "scale": 0.01}},
        }
    }


def _calls_metric() -> dict[str, Any]:
    return {
        "name": "tidegate_calls",
        "filter": _OF_SERVICE,
        "labelExtractors": {"class": "EXTRACT(jsonPayload.class)"},
        "metricDescriptor": {
            "metricKind": "DELTA",
            "valueType": "INT64",
            "labels": [{"key": "class", "valueType": "STRING"}],
        },
    }


def _series(name: str, window: str, labels: str = "") -> str:
    selected = f'monitored_resource="{_RESOURCE}"' + (f",{labels}" if labels else "")
    return f"increase(logging_googleapis_com:user_tidegate_{name}{{{selected}}}[{window}])"


def _slow(thresholds: Thresholds) -> tuple[str, ...]:
    window = f"{thresholds.window_seconds}s"
    return tuple(
        f"histogram_quantile(0.95, sum by (le) ({_series(f'{name}_bucket', window)})) > {thresholds.slow_ms} "
        f"and on () sum({_series(f'{name}_count', window)}) >= {thresholds.min_calls}"
        for name in ("wait_streams", "wait_others")
    )


def _errors(thresholds: Thresholds) -> str:
    window = f"{thresholds.window_seconds}s"
    bad, calls = _series("calls", window, 'class=~"failed|degraded"'), _series("calls", window)
    return f"sum({bad}) / sum({calls}) > {thresholds.error_rate:g} and sum({calls}) >= {thresholds.min_calls}"


def _cost(thresholds: Thresholds) -> str:
    return f"sum({_series('cost_usd_sum', '1d')}) > {thresholds.cost_nanos / 1e9:g}"


def _policy(name: str, description: str, *queries: str) -> dict[str, dict[str, Any]]:
    conditions = [
        {
            "displayName": f"{name} {number}",
            "conditionPrometheusQueryLanguage": {"query": query, "duration": "0s", "evaluationInterval": "60s"},
        }
        for number, query in enumerate(queries, start=1)
    ]
    content = f"Tidegate: {description}. Run `tidegate alerts show` for the cause."
    return {
        f"policy-{name}.json": {
            "displayName": f"Tidegate {name}",
            "combiner": "OR",
            "enabled": True,
            "documentation": {"content": content, "mimeType": "text/markdown"},
            "conditions": conditions,
        }
    }

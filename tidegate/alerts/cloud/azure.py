"""The alarms as scheduled query rules over the console logs of Container Apps, in a template of Azure Resource Manager.

Source: the reference of `Microsoft.Insights/scheduledQueryRules`, version 2023-12-01.
"""

from collections.abc import Mapping
from typing import Any

from tidegate.alerts.thresholds import AlertName, Thresholds

_LINES = (
    "ContainerAppConsoleLogs_CL | extend call = parse_json(Log_s) "
    '| where tostring(call.class) in ("answered", "degraded", "failed")'
)
_WINDOWS = (5, 10, 15, 30)
"""The windows in minutes that Azure knows, as far as `alerts.window_seconds` reaches."""


def azure_files(thresholds: Thresholds) -> Mapping[str, Mapping[str, Any]]:
    """Return the template."""
    minutes = next(each for each in _WINDOWS if 60 * each >= thresholds.window_seconds)
    window, few = f"PT{minutes}M", f"| where calls >= {thresholds.min_calls}"
    wait = "| extend wait = coalesce(tolong(call.first_content_ms), tolong(call.total_ms))"
    slow = f"{_LINES} {wait} | summarize measure = percentile(wait, 95), calls = count() {few}"
    bad = '100.0 * countif(tostring(call.class) != "answered") / count()'
    errors = f"{_LINES} | summarize measure = {bad}, calls = count() {few}"
    cost = f"{_LINES} | where TimeGenerated >= startofday(now()) | summarize measure = sum(todouble(call.cost_usd))"
    rules = {
        AlertName.SLOW: _rule("slow", "callers wait too long", slow, thresholds.slow_ms, window),
        AlertName.ERRORS: _rule("errors", "too many calls fail", errors, 100 * thresholds.error_rate, window),
        AlertName.COST: _rule(
            "cost", "the deployment spends more than planned", cost, thresholds.cost_nanos / 1e9, "P1D"
        ),
    }
    return {
        "alarms.json": {
            "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
            "contentVersion": "1.0.0.0",
            "parameters": {"workspace": {"type": "string"}, "actionGroup": {"type": "string"}},
            "resources": [rule for alert, rule in rules.items() if alert in thresholds.enabled],
        }
    }


def _rule(name: str, description: str, query: str, threshold: float, window: str) -> dict[str, Any]:
    criterion = {
        "query": query,
        "timeAggregation": "Maximum",
        "metricMeasureColumn": "measure",
        "operator": "GreaterThan",
        "threshold": threshold,
        "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
    }
    return {
        "type": "Microsoft.Insights/scheduledQueryRules",
        "apiVersion": "2023-12-01",
        "name": f"tidegate-{name}",
        "location": "[resourceGroup().location]",
        "kind": "LogAlert",
        "properties": {
            "displayName": f"Tidegate {name}",
            "description": f"Tidegate: {description}. Run `tidegate alerts show` for the cause.",
            "severity": 1,
            "enabled": True,
            "evaluationFrequency": "PT5M",
            "windowSize": window,
            "scopes": ["[parameters('workspace')]"],
            "criteria": {"allOf": [criterion]},
            "autoMitigate": True,
            "actions": {"actionGroups": ["[parameters('actionGroup')]"]},
        },
    }

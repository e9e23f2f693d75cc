"""The queries of the dashboard, the rules and the guide find their metrics and labels on a real gateway's page."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.promql import uses
from tests.harness import STREAM, World

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy/grafana/tidegate.json"
RULES = ROOT / "deploy/prometheus/rules.yaml"
GUIDE = ROOT / "docs/guides/metrics.md"
OPEN: dict[str, Any] = {
    "monitoring": {"public_metrics": True},
    "budgets": {"limit_usd_per_day": "5"},
    "call_log": {"level": "errors"},
}
OF_PROMETHEUS = {"job", "instance"}
"""The labels that the scraper adds."""
_LABEL_VALUES = re.compile(r"label_values\((\w+), (\w+)\)")
Metrics = dict[str, set[str]]


async def exposed(world: World) -> Metrics:
    """Return the metrics on a gateway's page, with their labels."""
    async with world.gateway(**OPEN) as gateway:
        await gateway.chat(STREAM)
        await gateway.chat(b"{")
        async with gateway.http.get(gateway.root + "/metrics") as answer:
            page = await answer.text()
    metrics: Metrics = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            metrics.setdefault(sample.name, set(OF_PROMETHEUS)).update(sample.labels)
    return metrics


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def dashboard_queries() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in panels(dashboard) for target in panel.get("targets", ())]


def rule_queries() -> list[str]:
    return [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def guide_queries() -> list[str]:
    [block] = re.findall(r"```promql\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return str(block).splitlines()


def complaints(queries: list[str], metrics: Metrics) -> Iterator[str]:
    for query in queries:
        for metric, labels in uses(query).items():
            if metric not in metrics:
                yield f"{metric} is no metric: {query}"
            elif unknown := labels - metrics[metric]:
                yield f"{metric} has no label {', '.join(sorted(unknown))}: {query}"


async def test_each_query_finds_its_metrics_and_labels(world: World) -> None:
    metrics = await exposed(world)
    for queries, least in ((dashboard_queries(), 30), (rule_queries(), 3), (guide_queries(), 8)):
        assert len(queries) >= least
        assert list(complaints(queries, metrics)) == []


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("sum(rate(tidegate_request_total[5m]))", "tidegate_request_total is no metric"),
        ("sum by (modle) (tidegate_requests_total)", "tidegate_requests_total has no label modle"),
        ('tidegate_requests_total{end_user="x"}', "tidegate_requests_total has no label end_user"),
    ],
)
def test_a_planted_error_is_found(query: str, complaint: str) -> None:
    [found] = complaints([query], {"tidegate_requests_total": {"model"}})
    assert found.startswith(complaint)


def test_a_query_that_cannot_be_parsed_is_refused() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        uses("sum(rate(tidegate_requests_total[5m])")


async def test_the_guide_lists_each_metric_and_no_other(world: World) -> None:
    metrics = await exposed(world)
    families = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in metrics if name.startswith("tidegate_")}
    listed = {
        name
        for line in GUIDE.read_text().splitlines()
        if line.startswith("| `tidegate_")
        for name in re.findall(r"`(tidegate_\w+)`", line.split("|")[1])
    }
    assert listed == families


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    every = list(panels(dashboard))
    assert len({panel["id"] for panel in every}) == len(every)
    for panel in every:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] in {"row", "stat", "timeseries"}
        if panel["type"] != "row":
            assert panel["title"]
            assert panel["description"]
            assert panel["targets"]
    assert {"title", "uid", "schemaVersion", "templating", "time"} <= dashboard.keys()


async def test_its_variables_and_placeholders_are_declared(world: World) -> None:
    metrics = await exposed(world)
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    names = {variable["name"] for variable in variables}
    for query in dashboard_queries():
        assert set(re.findall(r"\$(?!__)(\w+)", query)) <= names
    for variable in variables:
        if variable["type"] == "query":
            found = _LABEL_VALUES.fullmatch(variable["query"])
            assert found is not None
            assert found[2] in metrics[found[1]]

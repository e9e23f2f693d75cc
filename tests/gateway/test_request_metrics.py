"""Every request is counted and measured on `/metrics`, as Prometheus's own parsers read it."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.eventually import wait_until_async
from tests.gateway.test_budgets import ledger_sum
from tests.harness import STREAM, Gateway, World, ask

OPEN: dict[str, Any] = {"monitoring": {"public_metrics": True}}
NO_RETRY = {"retries": {"max_retries": 0, "budget_min": 0, "budget_ratio": 0.0}}
Labels = tuple[str, ...]


async def figures(gateway: Gateway, name: str, *by: str) -> dict[Labels, float]:
    """Return the sums of a sample by these labels."""
    async with gateway.http.get(gateway.root + "/metrics") as answer:
        text = await answer.text()
    sums: dict[Labels, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"tidegate_{name}":
                key = tuple(sample.labels[label] for label in by)
                sums[key] = sums.get(key, 0.0) + sample.value
    return sums


async def test_requests_are_counted_by_how_they_ended(world: World) -> None:
    async with world.gateway(**OPEN, **NO_RETRY) as gateway:
        assert (await gateway.chat()).status == 200
        assert (await gateway.chat()).headers["x-tidegate-cache"] == "hit"
        assert (await gateway.chat({**ask("streamed"), "stream": True})).status == 200
        assert (await gateway.chat(ask("no"), x_simulate_fault="server_error", x_tidegate_deadline="0")).status >= 500
        assert (await gateway.chat(b"{")).status == 400
        async with gateway.http.post(gateway.root + "/v1/chat/completions", json={}) as refused:
            assert refused.status == 401

        async def all_are_counted() -> bool:
            return sum((await figures(gateway, "requests_total")).values()) == 6

        await wait_until_async(all_are_counted)
        by_outcome = await figures(gateway, "requests_total", "outcome", "cache")
        assert by_outcome.pop(("failed", "miss")) == 1
        assert by_outcome.pop(("answered", "hit")) == 1
        assert by_outcome.pop(("answered", "miss")) == 2
        assert by_outcome == {("refused", "off"): 2}
        models = await figures(gateway, "requests_total", "outcome", "model", "provider")
        assert models["answered", "gpt-4o-mini", "openai"] == 3
        assert models["refused", "none", "none"] == 2


async def test_dollars_and_tokens_are_those_of_the_ledger(world: World) -> None:
    async with world.gateway(**OPEN) as gateway:
        for number in range(5):
            assert (await gateway.chat(ask(f"{number}"))).status == 200
        spent = await ledger_sum(world)
        [dollars] = (await figures(gateway, "cost_dollars_total")).values()
        assert round(dollars * 1e9) == spent > 0
        tokens = await figures(gateway, "tokens_total", "class")
        assert tokens["input",] > 0
        assert tokens["output",] > 0


async def test_each_time_has_a_histogram(world: World) -> None:
    async with world.gateway(**OPEN) as gateway:
        for body in (STREAM, ask("whole")):
            assert (await gateway.chat(body)).status == 200
        for name in ("request_seconds", "first_content_seconds", "gateway_seconds"):
            assert sum((await figures(gateway, f"{name}_count")).values()) == 2
            buckets = await figures(gateway, f"{name}_bucket", "le")
            assert buckets["+Inf",] == 2


async def test_two_workers_count_together(world: World) -> None:
    async with world.process("--workers", "2", **OPEN) as gateway:
        for number in range(20):
            async with gateway.open("/chat/completions", ask(f"{number}"), connection="close") as answer:
                assert answer.status == 200

        async def all_are_counted() -> bool:
            return await figures(gateway, "requests_total") == {(): 20}

        await wait_until_async(all_are_counted)


async def test_a_scraper_may_prefer_openmetrics(world: World) -> None:
    async with world.gateway(**OPEN) as gateway:
        headers = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
        async with gateway.http.get(gateway.root + "/metrics", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("application/openmetrics-text")
            assert (await answer.text()).endswith("# EOF\n")
        async with gateway.http.get(gateway.root + "/metrics") as answer:
            assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_where_requests_are_not_measured_the_other_metrics_stay(world: World) -> None:
    async with world.gateway(**OPEN, metrics={"enabled": False}) as gateway:
        assert (await gateway.chat()).status == 200
        assert await figures(gateway, "requests_total") == {}
        assert await figures(gateway, "redis_up") == {(): 1}

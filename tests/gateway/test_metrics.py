"""Failures are counted and the present state is shown, to operators only."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.eventually import wait_until_async
from tests.faults.own_parts import breakable_gateway
from tests.faults.proxy import Mode
from tests.gateway.test_budgets import ledger_sum
from tests.harness import STREAM, UPSTREAM_KEY, Gateway, World, ask

OPEN: dict[str, Any] = {"monitoring": {"public_metrics": True}}
ONCE = {"retries": {"max_retries": 0, "budget_min": 7, "budget_ratio": 0.0}}
FIRST, SECOND = "sk-proj-first-nobody-may-see", "sk-proj-second-nobody-may-see"
TWO_KEYS = {
    "openai": {
        "kind": "openai",
        "credentials": [{"name": "first", "api_key": FIRST}, {"name": "second", "api_key": SECOND}],
    }
}
_ORDER = (
    *("error", "route", "event", "provider", "credential", "model", "state"),
    *("outcome", "cache", "class", "le", "period", "worker", "alert"),
)
"""The order in which `Page` takes the labels' values."""
_LINE = re.compile(r'tidegate_(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)+)\})? (\S+)')


class Page:
    """The figures of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._figures = dict(_figures(text))

    def __getitem__(self, name_and_labels: str) -> float:
        """Return a figure by its name and its labels' values in order, `name value value`."""
        return self._figures[tuple(name_and_labels.split())]

    def __contains__(self, name_and_labels: str) -> bool:
        return tuple(name_and_labels.split()) in self._figures

    def the_one(self, name: str, *of: str) -> str:
        """Return the last label of the only figure among these that is not 0."""
        [result] = [key[-1] for key, value in self._figures.items() if key[: 1 + len(of)] == (name, *of) and value]
        return result


def _figures(text: str) -> Iterator[tuple[tuple[str, ...], float]]:
    results: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            assert line not in results
            results.add(line)
            continue
        result = _LINE.fullmatch(line)
        assert result, line
        labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', result[2] or ""))
        values = [labels[name] for name in sorted(labels, key=_ORDER.index)]
        yield (result[1], *values), float(result[3])


async def at(gateway: Gateway, path: str, key: str) -> tuple[int, str]:
    async with gateway.http.get(gateway.root + path, headers={"authorization": f"Bearer {key}"}) as answer:
        return answer.status, await answer.text()


async def page(gateway: Gateway) -> Page:
    return Page((await at(gateway, "/metrics", ""))[1])


async def test_failures_are_shown_to_admins_only(world: World) -> None:
    admin = (await world.keys.create(project="operators", admin=True)).token
    async with world.gateway() as gateway:
        await gateway.chat(x_simulate_fault="server_error", x_tidegate_deadline="0")
        await gateway.chat(STREAM, x_simulate_fault="truncated")
        await gateway.chat(b"{")
        for path in ("/metrics", "/admin/v1/failures"):
            for wrong, status in ((gateway.key, 403), ("sk-tg-wrong", 401)):
                assert (await at(gateway, path, wrong))[0] == status
        status, text = await at(gateway, "/metrics", admin)
        assert status == 200
        assert 'tidegate_failures_total{error="server_error",route="chat"} ' in text
        assert 'tidegate_failures_total{error="truncated_answer",route="chat"} 1' in text
        assert 'tidegate_failures_total{error="body_not_json",route="chat"} 1' in text
        assert "tidegate_redis_up 1" in text
        status, text = await at(gateway, "/admin/v1/failures", admin)
        assert (status, '"redis_lost":0' in text, '"name":"redis_up"' in text) == (200, True, True)


async def test_scrapers_without_a_key_are_let_in_where_it_is_configured(world: World) -> None:
    async with world.gateway(**OPEN) as gateway:
        assert (await at(gateway, "/metrics", ""))[0] == 200
        assert (await at(gateway, "/admin/v1/failures", ""))[0] == 401


@pytest.mark.parametrize(
    ("fault", "state"), [("invalid_key", "invalid"), ("out_of_quota", "out_of_quota"), ("rate_limited", "limited")]
)
async def test_how_each_credential_stands(world: World, fault: str, state: str) -> None:
    async with world.gateway(**OPEN, providers=TWO_KEYS, upstream={"api_key": None}) as gateway:
        assert (await page(gateway)).the_one("credential_state", "openai", "first") == "healthy"
        await world.set_faults(key="first-nobody-may-see", **{fault: 1.0})
        assert (await gateway.chat()).status == 200
        shown = await page(gateway)
        assert shown.the_one("credential_state", "openai", "first") == state
        assert shown.the_one("credential_state", "openai", "second") == "healthy"
        assert not any(key in shown.text for key in (UPSTREAM_KEY, FIRST, SECOND, "nobody-may-see", gateway.key))


async def test_how_each_target_stands_and_what_may_be_retried(world: World) -> None:
    async with world.gateway(**OPEN, **ONCE) as gateway:
        await gateway.chat()
        assert (await page(gateway)).the_one("target_state", "openai", "gpt-4o-mini") == "closed"
        await world.set_faults(server_error=1.0)
        for number in range(5):
            await gateway.chat(ask(f"{number}"), x_tidegate_deadline="0")
        shown = await page(gateway)
        assert shown.the_one("target_state", "openai", "gpt-4o-mini") in ("open", "half_open")
        assert shown["retries_left"] == 7


async def test_names_that_callers_make_up_are_one(world: World) -> None:
    async with world.gateway(**OPEN) as gateway:
        for number in range(20):
            await gateway.chat({**ask("hi"), "model": f'made-"up"-{number}'})
        shown = await page(gateway)
    assert shown["target_state openai other closed"] == 20
    assert "made-" not in shown.text


async def test_who_waits_and_how_long(world: World) -> None:
    async with world.gateway(**OPEN, upstream={"rpm": 60}) as gateway:
        await gateway.chat()
        assert (await page(gateway))["queue_waiting_calls openai default gpt-4o-mini"] == 0
        calls = [asyncio.create_task(gateway.chat(ask(f"{number}"))) for number in range(200)]

        async def some_wait() -> bool:
            shown = await page(gateway)
            oldest = shown["queue_oldest_wait_seconds openai default gpt-4o-mini"]
            return shown["queue_waiting_calls openai default gpt-4o-mini"] > 20 and oldest > 0.1

        await wait_until_async(some_wait)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_what_the_deployment_has_spent_of_its_budget(world: World) -> None:
    async with breakable_gateway(world, **OPEN, budgets={"limit_usd_per_day": "2.5"}) as ways:
        gateway = ways.gateway
        assert (await gateway.chat()).status == 200
        spent = await ledger_sum(world)
        shown = await page(gateway)
        assert shown["budget_limit_dollars day"] == 2.5
        assert "budget_limit_dollars month" not in shown
        assert shown["budget_spent_dollars day"] == shown["budget_spent_dollars month"] == spent / 1e9 > 0
        assert shown["budget_held_dollars day"] == 0
        await ways.redis.set(Mode.REFUSE)
        shown = await page(gateway)
        assert "budget_spent_dollars day" not in shown
        assert shown["budget_limit_dollars day"] == 2.5


async def test_what_waits_on_the_disk(world: World) -> None:
    async with breakable_gateway(world, **OPEN) as ways:
        gateway = ways.gateway
        assert (await page(gateway))["spool_bytes"] == 0
        await ways.redis.set(Mode.REFUSE)
        assert (await gateway.chat()).status == 200
        shown = await page(gateway)
        assert (shown["redis_up"], shown["spool_bytes"] > 100) == (0, True)
        await ways.redis.set(Mode.PASS)

        async def replayed() -> bool:
            return (await page(gateway))["spool_bytes"] == 0

        await wait_until_async(replayed)


async def test_each_worker_is_shown_whoever_is_asked(world: World) -> None:
    """The system chooses the worker that answers. A worker that dies is replaced, and its failures stay counted."""
    async with world.process("--workers", "2", **OPEN) as gateway:

        async def both_know_both() -> bool:
            pages = [await page(gateway) for _ in range(6)]
            return all("redis_up 0" in shown and "redis_up 1" in shown for shown in pages)

        await wait_until_async(both_know_both, within=30)
        for number in range(30):
            async with gateway.open("/chat/completions", b"{", connection="close") as answer:
                assert answer.status == 400, number

        async def all_are_counted() -> bool:
            shown = await page(gateway)
            keys = [f"failures_total body_not_json chat {worker}" for worker in (0, 1)]
            return sum(shown[key] for key in keys if key in shown) == 30

        await wait_until_async(all_are_counted)

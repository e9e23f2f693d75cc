"""Complaints of other gateways' users, each as a case named after its thread, do not occur here."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from tests.eventually import wait_until
from tests.faults import speech
from tests.faults.scripts import good, head
from tests.faults.upstream import ReceivedRequest, Script, ScriptAction, ScriptedUpstream, running_upstream
from tests.harness import CHAT, STREAM, Answer, World, ask
from tidegate.auth.grants import KeyChange, LimitsChange
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls

ROOT = Path(__file__).parents[2]

ELSEWHERE = {
    "litellm_18708_34479_exhausted_connections_are_no_401": (
        "tests/faults/test_own_postgres.py", "test_postgres_gives_no_more_connections"),
    "litellm_37592_exhausted_budgets_renew": (
        "tests/gateway/test_budgets.py", "test_a_day_that_ends_renews_the_budget"),
    "litellm_pr_35273_an_unreachable_redis_hangs_nobody": ("tests/faults/test_own_redis.py", "test_redis_is"),
    "litellm_21908_log_clean_up": (
        "tests/conversations/storage/test_partitions.py",
        "test_those_that_are_over_are_dropped_with_all_that_is_in_them",
    ),
    "bifrost_3547_budgets_hold_over_replicas": (
        "tests/gateway/test_budgets.py", "test_two_hundred_callers_over_three_replicas_spend_the_budget_and_no_more"),
}  # fmt: skip
"""Threads whose case is in another test file."""

FEW = 40
UNKNOWN_PRICE = 20 * 10_000 + 10 * 40_000
"""Nano-dollars of the scripted answer by a model that no price list has."""


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


async def limited(world: World, **limits: int) -> str:
    """Return the header of a key with these limits."""
    granted = KeyChange(limits=LimitsChange(**limits))
    return f"Bearer {(await world.keys.create(project='shop', name='limited', grants=granted)).token}"


def at(upstream: ScriptedUpstream, **more: Any) -> dict[str, Any]:
    """Return the configuration for a scripted upstream."""
    return {"upstream": {"base_url": f"{upstream.root}/first/v1", **more}}


@pytest.mark.parametrize("thread", ELSEWHERE)
def test_the_thread_has_its_case(thread: str) -> None:
    path, name = ELSEWHERE[thread]
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


async def test_litellm_12685_27954_38193_memory_does_not_grow(world: World) -> None:
    async with world.process() as gateway:
        process = psutil.Process(gateway.process.pid)

        async def some(name: str) -> int:
            for batch in range(10):
                questions = (ask(f"{name} {batch} {n}", user=f"{name}-{batch}-{n}") for n in range(FEW))
                assert {answer.status for answer in await asyncio.gather(*map(gateway.chat, questions))} == {200}
            return int(process.memory_info().rss)

        await some("warm")
        before = await some("first")
        assert await some("second") - before < 8_000_000


async def test_litellm_34732_40095_new_api_6609_calls_at_once_stay_within_the_budget(world: World) -> None:
    price = {"metering": {"unknown_model_price": {"input": 10, "output": 40}}}
    async with running_upstream(good) as upstream, world.gateway(**at(upstream), **price) as gateway:
        budget = 5 * UNKNOWN_PRICE
        key = await limited(world, budget_day=budget)
        body = {**CHAT, "model": "unpriced", "max_tokens": 10}
        request = [{**body, "messages": [{"role": "user", "content": f"{n}"}]} for n in range(FEW)]
        answers = await asyncio.gather(*(gateway.chat(one, authorization=key) for one in request))
    answered = [answer for answer in answers if answer.status == 200]
    assert 0 < len(answered) < FEW
    assert {answer.error["code"] for answer in answers if answer.status != 200} <= {
        "budget_reserved",
        "budget_exceeded",
    }
    assert sum(line["cost_nanos"] for line in await world.ledger_entries(len(answered))) <= budget


async def test_litellm_36926_nothing_stays_reserved(world: World, redis_url: str, redis_prefix: str) -> None:
    key = await limited(world, budget_day=10**12, concurrency=FEW)
    async with world.gateway() as gateway:
        faults = ["none", "server_error", "truncated", "out_of_quota"]
        calls = [
            gateway.chat(ask(f"{n}", stream=bool(n % 2)), authorization=key, x_simulate_fault=faults[n % 4],
                         x_tidegate_fallback="off", x_tidegate_deadline="0")
            for n in range(FEW)
        ]  # fmt: skip
        await asyncio.gather(*calls)

        def held() -> int:
            with redis.Redis.from_url(redis_url) as client:
                keys = client.scan_iter(f"{{{redis_prefix}}}:held:*", count=1000)
                return sum(int(client.get(name) or 0) for name in keys)

        await wait_until(lambda: held() == 0)


async def test_litellm_37923_streams_are_not_free(world: World) -> None:
    async with world.gateway() as gateway:
        whole = await gateway.chat(STREAM)
        assert whole.events[-1].get("usage") is None, "the caller did not ask for figures"
        cut = {**STREAM, "messages": [{"role": "user", "content": "cut"}]}
        async with gateway.open("/chat/completions", cut, x_simulate_tps="30") as response:
            await response.content.readuntil(b"\n\n")
            response.close()
        lines = await world.ledger_entries(2)
    assert all(line["cost_nanos"] > 0 for line in lines)
    assert {line["outcome"] for line in lines} == {"ok", "client_disconnected"}


async def test_litellm_32785_an_empty_account_is_no_rate_limit(world: World) -> None:
    async with world.gateway() as gateway:
        answer = await gateway.chat(x_simulate_fault="out_of_quota")
    assert (answer.status, answer.error["type"], answer.error["code"]) == (
        429,
        "insufficient_quota",
        "insufficient_quota",
    )
    assert (answer.headers["x-should-retry"], answer.headers.get("retry-after")) == ("false", None)
    assert await world.calls() == 1


def refusing_once(milliseconds: int) -> tuple[list[float], Any]:
    """Return the times of the calls, and a script that refuses the first call with a rate limit."""
    moments: list[float] = []

    def play(request: ReceivedRequest) -> Script:
        if request.route is None:
            return good(request)
        moments.append(asyncio.get_running_loop().time())
        if len(moments) > 1:
            return good(request)
        body = speech.refusal("requests", "rate_limit_exceeded", "Rate limit reached.")
        return [head(429, "application/json", f"retry-after-ms: {milliseconds}", length=len(body)) + body]

    return moments, play


async def test_litellm_3646_2218_31830_7669_a_rate_limit_is_waited_out_as_long_as_it_says(world: World) -> None:
    moments, play = refusing_once(400)
    async with running_upstream(play) as upstream, world.gateway(**at(upstream)) as gateway:
        assert (await gateway.chat()).status == 200
    assert len(moments) == 2
    assert moments[1] - moments[0] >= 0.4


async def test_agentgateway_1500_a_limit_without_headers_goes_to_the_next_target(world: World) -> None:
    def play(request: ReceivedRequest) -> Script:
        body = speech.refusal("requests", "rate_limit_exceeded", "Rate limit reached.")
        return good(request) if request.provider == "second" else [head(429, length=len(body)) + body]

    async with running_upstream(play) as upstream:
        second = {"kind": "openai", "base_url": f"{upstream.root}/second/v1",
                  "credentials": [{"name": "a", "api_key": "sk-second"}]}  # fmt: skip
        route = {"targets": [{"provider": "openai"}, {"provider": "second"}]}
        sections = {"providers": {"second": second}, "routes": {CHAT["model"]: route}}
        async with world.gateway(**at(upstream), **sections) as gateway:
            answer = await gateway.chat()
    assert (answer.status, answer.headers["x-tidegate-served-by"].partition("/")[0]) == (200, "second")


async def test_litellm_26987_health_is_never_paid_for(world: World) -> None:
    async with world.gateway() as gateway:
        for path in ("/health/upstream", "/readyz", "/livez", "/health/upstream"):
            assert (await gateway.call(path)).status == 200
    assert {route: count for route, count in (await world.stats())["calls"].items() if route != "models"} == {}


async def test_litellm_37140_13774_a_disconnect_cancels_the_upstream_call(world: World) -> None:
    async with running_upstream(lambda _: [ScriptAction.SILENCE]) as upstream, world.gateway(**at(upstream)) as gateway:
        calling = asyncio.create_task(gateway.chat())
        await wait_until(lambda: upstream.calls[CHAT["model"]] == 1)
        calling.cancel()
        await wait_until(lambda: upstream.disconnects[CHAT["model"]] == 1)


async def test_litellm_33167_33365_it_starts_without_a_way_out(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setitem(os.environ, variable, "http://127.0.0.1:9")
    monkeypatch.setitem(os.environ, "HOME", str(tmp_path / "nobody"))  # without a cache
    monkeypatch.setitem(os.environ, "NO_PROXY", "127.0.0.1")
    async with world.process() as gateway:
        assert (await gateway.chat({**CHAT, "model": "never-seen"})).status in (200, 404)
        assert (await gateway.chat()).status == 200


def test_litellm_24521_every_dependency_is_pinned_by_its_hash() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        for block in re.split(r"\n(?=\S)", lock.read_text().strip()):
            if not block.startswith("#"):
                assert "==" in block.partition("\n")[0], block
                assert "--hash=sha256:" in block, block


@pytest.mark.parametrize("route", [endpoints.CHAT, endpoints.RESPONSES, endpoints.EMBEDDINGS])
async def test_bifrost_5673_2873_no_route_passes_the_budget_by(world: World, route: Endpoint) -> None:
    key = await limited(world, budget_day=0)
    async with world.gateway() as gateway:
        body = speech.request(route, "gpt-4o-mini", stream=False)
        answer: Answer = await gateway.call(speech.PATHS[route], body, authorization=key)
    assert (answer.status, answer.error["code"]) == (429, "budget_exceeded")
    assert await world.calls() == 0


async def test_bifrost_2791_3190_identical_requests_hit(world: World) -> None:
    async with world.gateway() as gateway:
        assert (await gateway.chat(CHAT)).headers["x-tidegate-cache"] == "miss"
        assert (await gateway.chat(dict(reversed(CHAT.items())))).headers["x-tidegate-cache"] == "hit"
        spaced = b'{ "messages" : [{"content":"When is high tide?","role":"user"}],\n"model":"gpt-4o-mini" }'
        assert (await gateway.chat(spaced)).headers["x-tidegate-cache"] == "hit"


async def test_bifrost_1665_pr_2042_no_line_is_dropped_when_many_come_at_once(world: World) -> None:
    async with world.gateway() as gateway:
        for batch in range(5):
            questions = [ask(f"{batch} {n}") for n in range(4 * FEW)]
            assert {answer.status for answer in await asyncio.gather(*map(gateway.chat, questions))} == {200}
        await world.ledger_entries(20 * FEW)
    with psycopg.connect(world.stores.database_url) as database:
        assert database.execute("SELECT count(DISTINCT id) FROM ledger").fetchone() == (20 * FEW,)

"""What has no known price is marked, costs its default, and is refused where a budget applies."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.test_budgets import budgeted
from tests.harness import Json, World, ask
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls

OWN = {"model": "llama-99"}
SEARCH: Json = {
    "model": "gpt-4o-mini",
    "input": "When is high tide?",
    "tools": [{"type": "web_search"}],
    "store": False,
}
TEA: Json = {**SEARCH, "tools": [{"type": "tea_making"}]}
LENIENT = {"x_simulate_strict": "false"}


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


def forwarding(**metering: Any) -> dict[str, Any]:
    return {"metering": metering, "upstream": {"forward_headers": ["x-simulate-*"]}}


async def test_without_a_budget_an_unknown_price_is_marked_and_nothing_is_made_up(world: World) -> None:
    async with world.gateway(**forwarding()) as gateway:
        assert (await gateway.chat({**ask("Hello"), **OWN})).status == 200
        assert (await gateway.call("/responses", TEA, **LENIENT)).status == 200
        assert (await gateway.chat(ask("Hello"))).status == 200
    lines = await world.ledger_entries(3)
    assert [(line["unpriced"], line["cost_nanos"] > 0) for line in lines] == [
        (True, False),
        (False, True),
        (False, True),
    ]


async def test_a_default_is_charged_and_the_call_still_marked(world: World) -> None:
    async with world.gateway(**forwarding(unknown_model_price={"input": 10, "output": 40})) as gateway:
        assert (await gateway.chat({**ask("Hello"), **OWN})).status == 200
    [line] = await world.ledger_entries(1)
    assert line["unpriced"]
    assert line["cost_nanos"] == 10_000 * line["input_tokens"] + 40_000 * line["output_tokens"] > 0


@pytest.mark.parametrize(
    ("path", "body", "named", "param"),
    [
        ("/chat/completions", {**ask("Hello"), **OWN}, 'metering.prices."openai/llama-99"', "model"),
        ("/responses", {**SEARCH, **OWN}, 'metering.prices."openai/llama-99"', "model"),
        ("/responses", TEA, "metering.tool_prices.tea_making", "tools"),
    ],
)
async def test_a_budget_refuses_what_it_cannot_hold(
    world: World, path: str, body: Json, named: str, param: str
) -> None:
    key, _ = await budgeted(world, 100 * 10**9)
    async with world.gateway(**forwarding()) as gateway:
        answer = await gateway.call(path, body, authorization=key, **LENIENT)
        assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "price_unknown", param)
        assert named in answer.error["message"]
        assert answer.headers["x-should-retry"] == "false"
    assert await world.calls("chat") == await world.calls("responses") == 0


async def test_a_price_from_a_file_is_charged_and_known_to_budgets(world: World, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    rates = {"input": 10**9, "output": 2 * 10**9}
    file.write_text(
        json.dumps({"source": "ours", "models": [{"equals": ["llama-99"], "periods": [{"rates": [rates]}]}]})
    )
    key, _ = await budgeted(world, 100 * 10**9)
    async with world.gateway(**forwarding(price_file=str(file))) as gateway:
        assert (await gateway.chat({**ask("Hello"), **OWN}, authorization=key)).status == 200
    [line] = await world.ledger_entries(1)
    assert not line["unpriced"]
    assert line["cost_nanos"] == 1_000 * line["input_tokens"] + 2_000 * line["output_tokens"] > 0


SOL: Json = {"model": "gpt-5.6-sol", "messages": ask("Hello")["messages"], "max_completion_tokens": 100}
CACHE_WRITE = {"x_simulate_usage": "input=10000, cached=2000, cache_write=7000", "x_simulate_tokens": "100"}
THREE_SEARCHES = {"x_simulate_tools": "web_search=3", "x_simulate_usage": "input=176", "x_simulate_tokens": "10"}


async def bill(world: World) -> int:
    return int((await world.stats())["cost_nanos"])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cache_write_costs_what_the_provider_bills(world: World, stream: bool) -> None:
    async with world.gateway(**forwarding()) as gateway:
        assert (await gateway.chat({**SOL, "stream": stream}, **CACHE_WRITE)).status == 200
    [line] = await world.ledger_entries(1)
    assert (line["input_tokens"], line["cached_tokens"], line["cache_write_tokens"]) == (10_000, 2_000, 7_000)
    assert line["cost_nanos"] - 20_000 * (line["output_tokens"] - 100) == 41_800_000  # 0.0418 USD, with 100 tokens out
    assert line["cost_nanos"] == await bill(world)


@pytest.mark.parametrize("stated", ["true", "false"])
@pytest.mark.parametrize("stream", [False, True])
async def test_searches_cost_their_fee_stated_or_not(world: World, stream: bool, stated: str) -> None:
    body = {**SEARCH, "model": "gpt-4.1", "stream": stream}
    async with world.gateway(**forwarding()) as gateway:
        answer = await gateway.call("/responses", body, **THREE_SEARCHES, x_simulate_tool_usage=stated)
        assert answer.status == 200
    [line] = await world.ledger_entries(1)
    assert (line["fee_nanos"], line["unpriced"]) == (30_000_000, False)
    assert line["cost_nanos"] == await bill(world) > 30_000_000


async def test_what_was_seen_of_a_stream_that_broke_off_is_charged(world: World) -> None:
    body = {**SEARCH, "stream": True}
    async with world.gateway(**forwarding()) as gateway:
        await gateway.call("/responses", body, **THREE_SEARCHES, x_simulate_fault="truncated_clean")
    [line] = await world.ledger_entries(1)
    assert line["outcome"] == "truncated_answer"
    assert line["fee_nanos"] >= 10_000_000
    assert line["cost_nanos"] >= await bill(world)


async def test_under_a_budget_tool_calls_are_limited_and_told(world: World) -> None:
    """A budget holds the dearest tool for each call, so it must know how many there are at most."""
    key, _ = await budgeted(world, 100 * 10**9)
    async with world.gateway(**forwarding(assumed_tool_calls=2)) as gateway:
        answer = await gateway.call("/responses", SEARCH, authorization=key, **THREE_SEARCHES)
        assert answer.status == 200
        assert "max_tool_calls: set to 2" in answer.headers["x-tidegate-adapted"]
        own = await gateway.call("/responses", {**SEARCH, "max_tool_calls": 1}, authorization=key, **THREE_SEARCHES)
        assert "max_tool_calls" not in own.headers.get("x-tidegate-adapted", "")
    lines = await world.ledger_entries(2)
    assert sorted(line["fee_nanos"] for line in lines) == [11_200_000, 22_400_000]
    assert sum(line["cost_nanos"] for line in lines) == await bill(world)


async def test_a_search_model_of_chat_costs_a_search_with_each_answer(world: World) -> None:
    async with world.gateway(**forwarding()) as gateway:
        assert (await gateway.chat({**ask("Hello"), "model": "gpt-4o-search-preview"}, **LENIENT)).status == 200
    [line] = await world.ledger_entries(1)
    assert line["fee_nanos"] == 25_000_000
    assert line["cost_nanos"] == await bill(world)


SMALL_IMAGE: Json = {
    **SEARCH,
    "tools": [{"type": "image_generation", "model": "gpt-image-1.5", "size": "1024x1024", "quality": "low"}],
    "max_tool_calls": 2,
}
TWO_IMAGES = {"x_simulate_tools": "image_generation=2", "x_simulate_tokens": "10"}


async def test_images_are_held_by_their_size_and_released_to_their_price(world: World) -> None:
    """With USD 0.30 a day small images can be made all day; two dear ones at once, or an unknown model, cannot."""
    key, _ = await budgeted(world, 3 * 10**8)
    dear = {**SMALL_IMAGE, "tools": [{"type": "image_generation"}]}
    unknown = {**SMALL_IMAGE, "tools": [{"type": "image_generation", "model": "my-images"}]}
    async with world.gateway(**forwarding()) as gateway:
        for number in range(3):
            body = {**SMALL_IMAGE, "input": f"Draw tide {number}"}
            assert (await gateway.call("/responses", body, authorization=key, **TWO_IMAGES)).status == 200
        refused = await gateway.call("/responses", dear, authorization=key, **TWO_IMAGES)
        no_price = await gateway.call("/responses", unknown, authorization=key, **TWO_IMAGES, **LENIENT)
    assert (refused.status, no_price.status) == (429, 400)
    assert "metering.tool_prices.image_generation" in no_price.error["message"]
    lines = await world.ledger_entries(3)
    assert {line["fee_nanos"] for line in lines} == {2 * (40 * 5_000 + 272 * 32_000)}
    assert sum(line["cost_nanos"] for line in lines) == await bill(world)


@pytest.mark.parametrize("stream", [False, True])
async def test_images_whose_tokens_are_not_stated_cost_at_least_their_bill(world: World, stream: bool) -> None:
    async with world.gateway(**forwarding()) as gateway:
        body = {**SMALL_IMAGE, "stream": stream}
        await gateway.call("/responses", body, **TWO_IMAGES, x_simulate_tool_usage="false")
    [line] = await world.ledger_entries(1)
    assert await bill(world) <= line["cost_nanos"] <= 2 * await bill(world)

"""The same model costs what its target charges, to the nano-dollar, and no budget is overspent."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.test_budgets import budgeted
from tests.gateway.test_targets import NO_RETRIES, OWN, OtherUpstream
from tests.harness import EMBEDDINGS, RESPONSES, Json, World, ask
from tidegate.simulator import Options, running

DEAR = {"input": "3.137", "cached": "1.001", "output": "7.919"}
"""More than three times OpenAI's price for gpt-4o-mini, with odd digits, so that a lost nano-dollar shows."""
QUESTIONS: tuple[tuple[str, Json], ...] = (
    ("/chat/completions", ask("When is high tide?", stream=True)),
    ("/responses", RESPONSES),
    ("/embeddings", {**EMBEDDINGS, "model": "gpt-4o-mini"}),
)


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[OtherUpstream]:
    """Run another server with its own price list."""
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"gpt-4o-mini": DEAR, OWN: DEAR}))
    async with running(Options(prices=prices)) as base_url:
        yield OtherUpstream(base_url)


async def bill(world: World, base_url: str) -> int:
    async with world.http.get(base_url.removesuffix("/v1") + "/simulator/stats") as response:
        return int((await response.json())["cost_nanos"])


def sections(other: OtherUpstream, priced: str, model: str, *, first: str = "openai") -> dict[str, Any]:
    targets = [{"provider": "openai"}, {"provider": "own", "model": model}]
    return {
        "providers": {"own": {**other.own, "endpoints": ["chat", "responses", "embeddings"]}},
        "routes": {"gpt-4o-mini": {"targets": targets if first == "openai" else targets[::-1]}},
        "metering": {"prices": {priced: DEAR}},
        "retries": NO_RETRIES,
    }


@pytest.mark.parametrize(("priced", "model"), [("own/gpt-4o-mini", "gpt-4o-mini"), ("own/*", OWN), (f"Own/{OWN}", OWN)])
async def test_each_target_charges_its_own_price(world: World, other: OtherUpstream, priced: str, model: str) -> None:
    async with world.gateway(**sections(other, priced, model)) as gateway:
        for path, body in QUESTIONS:
            await world.set_faults()
            assert (await gateway.call(path, body, cache_control="no-store")).status == 200
            await world.set_faults(server_error=1.0)
            answer = await gateway.call(path, body, cache_control="no-store")
            assert answer.headers["x-tidegate-served-by"] == f"own/{model}"
    lines = await world.ledger_entries(2 * len(QUESTIONS))
    for provider, url in (("openai", world.upstream_url), ("own", other.base_url)):
        charged = [line["cost_nanos"] for line in lines if line["provider"] == provider]
        assert len(charged) == len(QUESTIONS)
        assert sum(charged) == await bill(world, url) > 0


@pytest.mark.parametrize("first", ["openai", "own"])
async def test_a_budget_must_hold_the_dearest_that_may_answer(world: World, other: OtherUpstream, first: str) -> None:
    """100 output tokens cost 60,000 nano-dollars at OpenAI, and 791,900 at the other server."""
    value = sections(other, "own/gpt-4o-mini", "gpt-4o-mini", first=first)
    asked = ask("hi", max_tokens=100, service_tier="default")
    async with world.gateway(**value) as gateway:
        poor, _ = await budgeted(world, 700_000)
        refused = await gateway.chat(asked, authorization=poor)
        alone = await gateway.chat(asked, authorization=poor, x_tidegate_fallback="off")
        rich, _ = await budgeted(world, 3_000_000)
        answered = await gateway.chat(asked, authorization=rich)
    assert (refused.status, refused.error["code"]) == (429, "budget_exceeded")
    assert alone.status == (200 if first == "openai" else 429)
    assert answered.status == 200


async def test_a_call_that_may_go_to_one_target_only_is_held_at_its_price(world: World) -> None:
    """The caller's name for the model is an alias: the price is that of the model behind it."""
    routes = {"gpt-4o-mini": {"targets": [{"provider": "openai", "model": "gpt-4o"}]}}
    async with world.gateway(routes=routes, retries=NO_RETRIES) as gateway:
        poor, _ = await budgeted(world, 500_000)
        asked = ask("hi", max_tokens=100, service_tier="default")
        refused = await gateway.chat(asked, authorization=poor, x_tidegate_fallback="off")
    assert (refused.status, refused.error["code"]) == (429, "budget_exceeded")

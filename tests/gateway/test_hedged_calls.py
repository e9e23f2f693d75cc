"""A client that sends a call twice at once, and drops the slower one, does not pay twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.gateway.test_budgets import budgeted
from tests.harness import Gateway, Json, World, ask

TOKENS = 40
STREAMED = {**ask("When is high tide?", model="gpt-4o-mini"), "stream": True, "max_tokens": TOKENS}
WHOLE = {**STREAMED, "stream": False}
SLOW = {"x_simulate_tps": "40", "x_simulate_tokens": str(TOKENS), "x_simulate_ttft": "1.5"}
"""Slow enough for a busy machine to send the second call before the first one has ended."""
FRESH = {"cache_control": "no-store"}
KEYED = {**FRESH, "idempotency_key": "one-and-the-same"}


@contextlib.asynccontextmanager
async def replicas(world: World, **sections: Any) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Run two gateways; a client may reach either of them."""
    settings = {"upstream": {"forward_headers": ["x-simulate-*", "idempotency-key"], "cancels": "always"}, **sections}
    async with world.gateway(**settings) as one, world.gateway(**settings) as other:
        yield one, other


async def hedged(gateways: tuple[Gateway, Gateway], body: Json, *, winner: int, **headers: str) -> str:
    """Send a call to both, drop the stream of one of them amid its answer, and return what the other one read."""
    kept = asyncio.create_task(gateways[winner].open("/chat/completions", body, **SLOW, **headers))
    dropped = await gateways[1 - winner].open("/chat/completions", STREAMED, **SLOW, **headers)
    await dropped.content.readuntil(b"\n\n")
    dropped.close()
    return str(await (await kept).text())


async def books(world: World) -> tuple[int, int, list[Json]]:
    """Return the bill, what the ledger charges, and its lines."""
    await world.wait_for_stats(in_flight=0)
    lines = await world.ledger_entries(2)
    return int((await world.stats())["cost_nanos"]), sum(line["cost_nanos"] for line in lines), lines


@pytest.mark.parametrize("winner", [0, 1])
@pytest.mark.parametrize("body", [STREAMED, WHOLE], ids=["streamed", "whole"])
@pytest.mark.parametrize("headers", [{}, KEYED], ids=["cached", "not stored, with an idempotency key"])
async def test_both_are_one_call_and_cost_what_is_billed(
    world: World, body: Json, headers: dict[str, str], winner: int
) -> None:
    async with replicas(world) as gateways:
        text = await hedged(gateways, body, winner=winner, **headers)
        billed, booked, lines = await books(world)
    assert '"finish_reason"' in text
    assert await world.calls() == 1
    assert booked == billed > 0
    assert sorted(line["cost_nanos"] for line in lines) == [0, billed]


@pytest.mark.parametrize("winner", [0, 1])
@pytest.mark.parametrize("body", [STREAMED, WHOLE], ids=["streamed", "whole"])
@pytest.mark.parametrize("headers", [FRESH, {"cache_control": "no-cache"}], ids=["no-store", "no-cache"])
async def test_two_that_want_fresh_answers_are_both_billed_and_never_charged_less_nor_twice_as_much(
    world: World, body: Json, headers: dict[str, str], winner: int
) -> None:
    async with replicas(world) as gateways:
        await hedged(gateways, body, winner=winner, **headers)
        billed, booked, lines = await books(world)
    assert await world.calls() == 2
    won, lost = sorted(lines, key=lambda line: str(line["outcome"]), reverse=True)
    assert (won["outcome"], won["estimated"], lost["outcome"]) == ("ok", False, "client_disconnected")
    assert won["output_tokens"] == TOKENS
    assert billed <= booked <= 2 * billed


async def test_a_dropped_call_whose_answer_comes_whole_costs_no_more_than_its_answer(world: World) -> None:
    """`make exact` compares all such calls with their bill: at most twice it."""
    body = {**WHOLE, "max_tokens": 800}
    slow = {"x_simulate_tps": "800", "x_simulate_tokens": "800"}
    async with replicas(world) as (one, other):
        dropped = asyncio.create_task(one.chat(body, **slow, **FRESH))
        kept = asyncio.create_task(other.chat(body, **slow, **FRESH))
        await world.wait_for_stats(in_flight=2)
        dropped.cancel()
        assert (await kept).status == 200
        billed, booked, lines = await books(world)
    won, lost = sorted(lines, key=lambda line: str(line["outcome"]), reverse=True)
    framing = 16 * 600  # tokens by which an answer may exceed its limit
    assert lost["cost_nanos"] <= won["cost_nanos"] + framing
    assert billed <= booked


@pytest.mark.parametrize("headers", [{}, KEYED], ids=["cached", "with an idempotency key"])
async def test_a_budget_that_pays_once_is_enough_for_both(world: World, headers: dict[str, str]) -> None:
    key, _ = await budgeted(world, 100_000)  # a call holds 60,000 nano-dollars
    async with replicas(world) as gateways:
        text = await hedged(gateways, STREAMED, winner=1, authorization=key, **headers)
        billed, booked, _ = await books(world)
    assert "data: [DONE]" in text
    assert booked == billed <= 100_000


async def test_other_keys_and_other_idempotency_keys_share_nothing_that_is_not_stored(world: World) -> None:
    async with replicas(world) as (one, other):
        second = f"Bearer {(await world.make_key()).token}"
        await asyncio.gather(
            one.chat(STREAMED, **SLOW, **KEYED),
            one.chat(STREAMED, **SLOW, **FRESH, idempotency_key="another"),
            other.chat(STREAMED, **SLOW, **KEYED, authorization=second),
        )
        again = await one.chat(STREAMED, **SLOW, **KEYED)
    assert again.headers["x-tidegate-cache"] == "off"
    assert await world.calls() == 4

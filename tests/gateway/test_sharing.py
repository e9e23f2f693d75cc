"""Identical simultaneous calls cause one upstream call over all replicas, whatever form each caller wants."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.harness import CHAT, RESPONSES, STREAM, Answer, Gateway, GatewayProcess, World, ask, chat_text

PACED = {"x_simulate_ttft": "0.2", "x_simulate_tps": "100", "x_simulate_tokens": "20"}


def words_of(answer: Answer) -> str:
    """Return the text of a chat answer in either form."""
    assert answer.status == 200, answer.text
    if answer.headers["content-type"] == "application/json":
        return str(answer.json["choices"][0]["message"]["content"])
    assert answer.text.endswith("data: [DONE]\n\n")
    return chat_text(answer.events)


async def test_fifty_calls_at_once_over_two_replicas_are_one(world: World) -> None:
    async with world.gateway() as one, world.gateway() as other:
        calls = [(one, other)[number % 2].chat({**CHAT, "stream": number % 3 == 0}, **PACED) for number in range(50)]
        answers = await asyncio.gather(*calls)
        late = await one.chat(**PACED)
    assert await world.calls() == 1
    assert len({words_of(answer) for answer in answers}) == 1
    assert late.headers["x-tidegate-cache"] == "hit"
    said = [answer.headers["x-tidegate-cache"] for answer in answers]
    assert (said.count("miss"), said.count("joined") + said.count("hit")) == (1, 49)
    lines = await world.ledger_entries(51)
    (asked,) = [line for line in lines if line["cache"] == "miss"]
    others = [line for line in lines if line is not asked]
    assert asked["cost_nanos"] > 0
    assert {(line["outcome"], line["cost_nanos"], line["saved_nanos"]) for line in others} == {
        ("ok", 0, asked["cost_nanos"])
    }


@pytest.mark.parametrize("first_streams", [False, True])
async def test_responses_are_shared_too(world: World, first_streams: bool) -> None:
    async with world.gateway() as one, world.gateway() as other:
        first = asyncio.create_task(one.call("/responses", {**RESPONSES, "stream": first_streams}, **PACED))
        await world.wait_for_stats(in_flight=1)
        bodies = [{**RESPONSES, "stream": streamed, "metadata": {"of": str(streamed)}} for streamed in (False, True)]
        whole, streamed = await asyncio.gather(*(other.call("/responses", body, **PACED) for body in bodies))
        leader = await first
    assert await world.calls("responses") == 1
    output = (leader.events[-1]["response"] if first_streams else leader.json)["output"]
    assert whole.json["output"] == streamed.events[-1]["response"]["output"] == output
    assert whole.json["metadata"] == {"of": "False"}
    assert streamed.events[-1]["response"]["metadata"] == {"of": "True"}
    assert [event["sequence_number"] for event in streamed.events] == list(range(len(streamed.events)))


async def test_each_who_joined_gets_the_usage_chunk_only_if_it_asked(world: World) -> None:
    async with world.gateway() as one, world.gateway() as other:
        first = asyncio.create_task(one.chat(STREAM, **PACED))
        await world.wait_for_stats(in_flight=1)
        asked = await other.chat({**STREAM, "stream_options": {"include_usage": True}}, **PACED)
        leader = await first
    assert await world.calls() == 1
    assert not any(event.get("usage") for event in leader.events)
    assert [bool(event.get("usage")) for event in asked.events].count(True) == 1


async def warm_up(world: World, *gateways: Gateway) -> int:
    """Call each gateway once, because the first call is slow; return the upstream's number of calls."""
    for gateway in gateways:
        assert (await gateway.chat(ask("warm"))).status == 200
    return await world.calls()


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("server_error", 500, "server_error"), ("overloaded", 503, "server_is_overloaded"), ("stall", 504, None)],
)
async def test_a_failure_is_shared_and_not_kept(world: World, fault: str, status: int, code: str | None) -> None:
    failing = {"x_simulate_fault": fault, "x_simulate_latency": "2"}  # it ends while followers check that it lives
    once = {"upstream": {"idle_seconds": 0.4}, "retries": {"max_retries": 0}}
    async with world.gateway(**once) as one, world.gateway(**once) as other:
        warm = await warm_up(world, one, other)
        answers = await asyncio.gather(*((one, other)[number % 2].chat(**failing) for number in range(10)))
        assert await world.calls() == warm + 1
        assert (await one.chat(**failing)).status == status
    for answer in answers:
        assert answer.status == status, answer.text
        assert answer.error["code"] == (code or "idle_timeout")
        assert answer.headers["x-should-retry"] == "true"
    lines = (await world.ledger_entries(13))[2:]
    assert len({line["outcome"] for line in lines}) == 1
    assert lines[0]["outcome"] != "ok"


async def test_a_failure_within_a_stream_reaches_everybody(world: World) -> None:
    failing = {"x_simulate_fault": "error_in_stream", "x_simulate_ttft": "2"}
    async with world.gateway() as one, world.gateway() as other:
        warm = await warm_up(world, one, other)
        answers = await asyncio.gather(*((one, other)[number % 2].chat(STREAM, **failing) for number in range(6)))
    assert await world.calls() == warm + 1
    assert {answer.events[-1]["error"]["code"] for answer in answers} == {"server_error"}
    assert len({answer.text.count("data: ") for answer in answers}) == 1


async def test_those_who_want_a_fresh_answer_do_not_share(gateway: Gateway, world: World) -> None:
    calls = [gateway.chat(cache_control="no-store", **PACED) for _ in range(3)]
    assert {answer.headers["x-tidegate-cache"] for answer in await asyncio.gather(*calls)} == {"off"}
    assert await world.calls() == 3


async def test_different_questions_do_not_wait_for_each_other(gateway: Gateway, world: World) -> None:
    slow = asyncio.create_task(gateway.chat(ask("slow"), x_simulate_ttft="30"))
    await world.wait_for_stats(in_flight=1)
    async with asyncio.timeout(20):
        assert (await gateway.chat(ask("fast"))).status == 200
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    await world.wait_for_stats(in_flight=0)


PATIENT = {"x_simulate_ttft": "0.3", "x_simulate_tps": "50", "x_simulate_tokens": "100"}
SHORT_LEASE = {"lease_seconds": 0.5}


@pytest.mark.parametrize("leader_streams", [True, False])
async def test_followers_complete_when_the_leaders_process_is_killed(world: World, leader_streams: bool) -> None:
    async with world.gateway(cache=SHORT_LEASE) as survivor, world.process(cache=SHORT_LEASE) as doomed:
        call = asyncio.create_task(read_events(doomed, {**CHAT, "stream": leader_streams}, events=12))
        await world.wait_for_stats(in_flight=1)
        bodies = [{**CHAT, "stream": (number % 2 == 0) != leader_streams} for number in range(6)]
        followers = [asyncio.create_task(survivor.chat(body, **PATIENT)) for body in bodies]
        await kill_in_the_middle(doomed, call)
        answers = await asyncio.gather(*followers)
    assert len({words_of(answer) for answer in answers}) == 1
    assert {answer.headers["x-tidegate-cache"] for answer in answers} == {"joined"}
    assert await world.calls() == 2
    lines = await world.ledger_entries(7)  # the six calls, and the one that was sent again for all of them
    assert {line["outcome"] for line in lines} == {"ok"}
    assert sum(line["cost_nanos"] > 0 for line in lines) == 1


async def kill_in_the_middle(doomed: GatewayProcess, call: "asyncio.Task[None]") -> None:
    """Kill the gateway in the middle of its answer to the call."""
    await asyncio.wait({call}, timeout=0.7)
    doomed.kill()
    await asyncio.wait({call})
    assert call.exception() is None or isinstance(call.exception(), aiohttp.ClientError)


async def read_events(gateway: Gateway, body: Any, *, events: int) -> None:
    """Send the call, and wait for this many events."""
    async with gateway.open("/chat/completions", body, **PATIENT) as response:
        for _ in range(events):
            await response.content.readuntil(b"\n\n")

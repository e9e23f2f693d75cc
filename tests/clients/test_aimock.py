"""In front of an upstream that nobody here wrote, the gateway does what it does in front of the simulator."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.clients.conftest import HERE, Node
from tests.harness import Gateway, Json, World, chat_text

pytestmark = pytest.mark.node

GREETING = "Hello from an upstream that nobody here wrote: long enough for several pieces."
START_SECONDS = 20


@contextlib.asynccontextmanager
async def aimock(packages: Path, *arguments: str) -> AsyncIterator[str]:
    """Its base URL."""
    command = [str(packages / "node_modules" / ".bin" / "llmock"), "-p", "0", "-f", str(HERE / "fixtures.json")]
    process = await asyncio.create_subprocess_exec(
        *command, "--strict", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            while not (found := re.search(r"listening on (\S+)", line := (await process.stdout.readline()).decode())):
                assert line, "it ended"
        yield f"{found[1]}/v1"
    finally:
        process.terminate()
        await process.communicate()


@pytest.fixture(scope="module")
async def foreign(node_packages: Path) -> AsyncIterator[str]:
    async with aimock(node_packages) as base_url:
        yield base_url


@pytest.fixture
async def gateway(world: World, foreign: str) -> AsyncIterator[Gateway]:
    async with world.gateway(upstream={"base_url": foreign, "idle_seconds": 2.0}) as gateway:
        yield gateway


def chat(words: str, **fields: Any) -> Json:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": words}], **fields}


async def test_a_chat_whole_streamed_and_repeated(gateway: Gateway, world: World) -> None:
    whole = await gateway.chat(chat("hello"))
    assert whole.json["choices"][0]["message"]["content"] == GREETING
    stored = await gateway.chat(chat("hello", stream=True))
    fresh = await gateway.chat(chat("hello", stream=True), cache_control="no-store")
    assert stored.headers["x-tidegate-cache"] == "hit"
    assert chat_text(stored.events) == chat_text(fresh.events) == GREETING
    assert not any(event.get("usage") for event in fresh.events)
    asked, hit, streamed = await world.ledger_entries(3)
    usage = whole.json["usage"]
    for line in (asked, streamed):
        assert (line["input_tokens"], line["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
        assert (line["outcome"], line["estimated"]) == ("ok", False)
    assert hit["saved_nanos"] == asked["cost_nanos"] > 0


async def test_a_tool_call(gateway: Gateway) -> None:
    answer = await gateway.chat(chat("call a tool"))
    (call,) = answer.json["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "tide_at"


async def test_responses_and_embeddings(gateway: Gateway) -> None:
    async with gateway.sdk() as client:
        response = await client.responses.create(model="gpt-4o", input="hello")
        assert response.output_text == GREETING
        stream = await client.responses.create(model="gpt-4o", input="hello", stream=True)
        assert [event.type async for event in stream][-1] == "response.completed"
        fresh = await client.responses.create(
            model="gpt-4o", input="hello", stream=True, extra_headers={"cache-control": "no-store"}
        )
        deltas = [event.delta async for event in fresh if event.type == "response.output_text.delta"]
        assert "".join(deltas) == GREETING
        vector = await client.embeddings.create(model="text-embedding-3-small", input="hello")
        assert vector.data[0].embedding == [0.25, -0.5, 0.125]


@pytest.mark.parametrize(
    ("words", "status", "code", "name", "retried"),
    [
        ("be limited", 429, "rate_limit_exceeded", "upstream_rate_limited", "true"),
        ("be poor", 429, "insufficient_quota", "insufficient_quota", "false"),
        ("fail", 500, "server_error", "server_error", "true"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_its_refusals(
    gateway: Gateway, words: str, status: int, code: str, name: str, retried: str, streamed: bool
) -> None:
    answer = await gateway.chat(chat(words, stream=streamed))
    assert (answer.status, answer.error["code"]) == (status, code)
    assert (answer.headers["x-tidegate-error"], answer.headers["x-should-retry"]) == (name, retried)
    assert answer.headers.get("retry-after") == ("2" if name == "upstream_rate_limited" else None)


@pytest.mark.parametrize("words", ["break off", "hang up"])
async def test_a_stream_that_it_cuts(gateway: Gateway, world: World, words: str) -> None:
    answer = await gateway.chat(chat(words, stream=True))
    assert answer.status == 200
    assert chat_text(answer.events[:-1])
    assert answer.events[-1]["error"]["code"] == "truncated_answer"
    assert "[DONE]" not in answer.text
    (line,) = await world.ledger_entries(1)
    assert (line["outcome"], line["estimated"]) == ("truncated_answer", True)
    async with gateway.sdk() as client:
        stream: Any = await client.chat.completions.create(**chat(words, stream=True))
        with pytest.raises(openai.APIError):
            [chunk async for chunk in stream]


async def test_somebody_leaves(gateway: Gateway, world: World) -> None:
    async with gateway.open("/chat/completions", chat("take your time", stream=True)) as response:
        await response.content.readuntil(b"\n\n")
    (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "client_disconnected"


async def test_many_at_once_are_one(gateway: Gateway, world: World) -> None:
    calls = [gateway.chat(chat("take your time", stream=number % 2 == 0)) for number in range(10)]
    answers = await asyncio.gather(*calls)
    said = [answer.headers["x-tidegate-cache"] for answer in answers]
    assert sorted(set(said)) == ["joined", "miss"]
    assert said.count("miss") == 1
    assert len(await world.ledger_entries(10)) == 10


@pytest.mark.parametrize(
    ("flag", "statuses", "names"),
    [
        ("--chaos-drop", {500}, {"server_error"}),
        ("--chaos-malformed", {502}, {"malformed_answer"}),
        ("--chaos-disconnect", {502}, {"connection_failed"}),
        ("--chaos-ratelimit", {429}, {"upstream_rate_limited", "queue_timeout"}),  # the second call is not even sent
    ],
)
async def test_its_chaos(world: World, node_packages: Path, flag: str, statuses: set[int], names: set[str]) -> None:
    async with aimock(node_packages, flag, "1") as base_url, world.gateway(upstream={"base_url": base_url}) as gateway:
        answers = [await gateway.chat(chat("hello", stream=streamed)) for streamed in (False, True)]
    assert {answer.status for answer in answers} == statuses, answers
    assert {answer.headers["x-tidegate-error"] for answer in answers} == names
    assert {answer.headers["x-should-retry"] for answer in answers} == {"true"}
    sent = names - {"queue_timeout"}
    assert {line["outcome"] for line in await world.ledger_entries(2 if sent == names else 1)} == sent


async def test_its_latency_is_bridged(world: World, node_packages: Path) -> None:
    async with aimock(node_packages, "--chaos-latency", "300") as base_url:
        restless = {"upstream": {"base_url": base_url}, "server": {"ping_seconds": 0.1}}
        async with world.gateway(**restless) as gateway:
            answer = await gateway.chat(chat("hello", stream=True))
    assert answer.text.startswith(": ping\n")
    assert chat_text(answer.events) == GREETING


async def test_responses_where_only_its_chat_is_used(world: World, foreign: str) -> None:
    """Its own Responses have no sequence numbers; those translated from its chat have them."""
    only_chat = {"openai": {"kind": "openai", "endpoints": ["chat"]}}
    fresh = {"cache-control": "no-store"}
    async with world.gateway(upstream={"base_url": foreign}, providers=only_chat) as gateway, gateway.sdk() as client:
        whole = await client.responses.create(model="gpt-4o", input="hello", store=False)
        async with client.responses.stream(model="gpt-4o", input="hello", store=False, extra_headers=fresh) as stream:
            numbers = [event.sequence_number async for event in stream]
            streamed = await stream.get_final_response()
        tool: Any = {"type": "function", "name": "tide_at", "parameters": {"type": "object", "properties": {}}}
        called = await client.responses.create(model="gpt-4o", input="call a tool", tools=[tool], store=False)
        broken: Any = await client.responses.create(model="gpt-4o", input="break off", stream=True, store=False)
        with pytest.raises(openai.APIError):
            [event async for event in broken]
    assert whole.output_text == streamed.output_text == GREETING
    assert numbers == list(range(len(numbers)))
    (item,) = called.output
    assert (item.type, item.name, item.arguments) == ("function_call", "tide_at", '{"place":"Bristol"}')  # type: ignore[union-attr]
    lines = await world.ledger_entries(4)
    assert [line["outcome"] for line in lines] == ["ok", "ok", "ok", "truncated_answer"]


async def test_the_node_clients_reach_it_through_the_gateway(gateway: Gateway, node: Node) -> None:
    said = await node("openai.mjs", gateway, "chat", "streamed", "response", "embedding")
    assert (said["chat"], said["streamed"], said["response"], said["embedding"]) == (GREETING, GREETING, GREETING, 3)
    assert (await node("ai.mjs", gateway, "chat", "streamedChat"))["streamedChat"]["text"] == GREETING

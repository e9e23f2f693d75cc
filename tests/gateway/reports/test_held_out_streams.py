"""Reports of 2026 chosen before they were tried, each named after its thread: streams in unusual forms."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.faults.scripts import END, EVENTS, chunk, head
from tests.gateway import response_shapes
from tests.gateway.reports.setting import before, before_chat, expect_shape
from tests.gateway.sdk_reading import Read, read_response
from tests.gateway.stream_shapes import ROLE, STOP, TEXT, USED, WORDS, Shape, event, said
from tests.harness import World
from tidegate.wire import sse

Json = dict[str, Any]

ASK: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
WAITING = b": OPENROUTER PROCESSING\n\n"
PRETTY = sse.encode(msgspec.json.format(msgspec.json.encode({
    "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": WORDS}, "finish_reason": None}],
})).replace(b"\n", b"\ndata: "))  # fmt: skip

CHAT: dict[str, Shape] = {
    "llm_gateway_2053_comments_while_it_waits": Shape(
        means="", text=WORDS, pieces=(WAITING, WAITING, ROLE, WAITING, *TEXT, *STOP),
    ),
    "term_llm_454_one_chunk_on_many_lines": Shape(means="", text=WORDS, pieces=(PRETTY, *STOP)),
    "llmgateway_1682_the_reason_incomplete": Shape(
        means="", text=WORDS, reason="length", status="incomplete", pieces=(*TEXT, said("incomplete"), USED, sse.DONE),
    ),
    "litellm_37710_the_limit_in_the_middle_of_the_thoughts": Shape(
        means="", reason="length", status="incomplete",
        pieces=(ROLE, said(reasoning_content="Hm, the moon."), said("length"), USED, sse.DONE),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAT)
async def test_a_report_about_chat(world: World, name: str) -> None:
    async with before_chat(world, CHAT) as (gateway, _):
        raw = await gateway.chat({**ASK, "model": name})
        assert "data: :" not in raw.text
        await expect_shape(gateway, name, CHAT[name])
    lines = await world.all_entries()
    assert {line["input_tokens"] for line in lines if line["cost_nanos"]} <= {20}
    assert not any(line["estimated"] for line in lines)


@pytest.mark.parametrize("stream", [True, False])
async def test_llmgateway_1682_an_incomplete_response_is_delivered(world: World, stream: bool) -> None:
    reason = {"reason": "max_output_tokens"}
    end = response_shapes.end("incomplete", [response_shapes.MESSAGE], incomplete_details=reason)
    shape = Shape(means="", pieces=(response_shapes.CREATED, *response_shapes.SPOKEN, response_shapes.ITEM_DONE, end))
    async with before(world, shape.play) as (gateway, _), gateway.sdk() as client:
        assert await read_response(client, "m", stream=stream) == Read(WORDS, (), "incomplete")
    (line,) = await world.ledger_entries(1)
    assert (line["input_tokens"], line["output_tokens"], line["estimated"]) == (20, 10, False)


USAGE: Json = {
    "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 600},
}  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
async def test_litellm_36083_usage_beside_the_reason_keeps_its_details(world: World, stream: bool) -> None:
    last = event([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=USAGE)
    shape = Shape(means="", pieces=(*TEXT, last, sse.DONE))
    async with before(world, shape.play) as (gateway, _):
        told = {"stream_options": {"include_usage": True}} if stream else {}
        answer = await gateway.chat({**ASK, "stream": stream, **told})
    usages = [event["usage"] for event in answer.events if event.get("usage")] if stream else [answer.json["usage"]]
    assert [usage["prompt_tokens_details"]["cached_tokens"] for usage in usages] == [600]
    (line,) = await world.ledger_entries(1)
    assert (line["input_tokens"], line["cached_tokens"], line["output_tokens"]) == (1000, 600, 100)


def dispatched(text: str) -> Iterator[str]:
    """Read events as clients do that take each blank line for the end of one once they saw a field."""
    data: list[str] = []
    seen = False
    for line in text.splitlines():
        if not line and seen:
            yield "\n".join(data)
            data.clear()
        elif line and not line.startswith(":"):
            seen = True
            field, _, value = line.partition(":")
            data += [value] if field == "data" else []


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
async def test_llmgateway_2334_no_heartbeat_is_an_event(world: World, path: str) -> None:
    halves = (TEXT, STOP) if path == "/chat/completions" else (response_shapes.GOOD[:4], response_shapes.GOOD[4:])
    first, second = ([chunk(piece) for piece in half] for half in halves)

    def play(_: Any) -> Any:
        return [head(200, EVENTS), *first, 0.4, *second, END]

    async with before(world, play, server={"ping_seconds": 0.05}) as (gateway, _):
        answer = await gateway.call(path, ASK if path == "/chat/completions" else {**ASK, "input": "Hello"})
    assert answer.text.count(": ping\n") >= 2
    assert "" not in list(dispatched(answer.text))


async def test_pentect_1438_events_that_end_with_a_bare_cr_come_at_once(world: World) -> None:
    gate = asyncio.Event()
    first, second = b"".join(TEXT).replace(b"\n", b"\r"), b"".join(STOP).replace(b"\n", b"\r")

    def play(_: Any) -> Any:
        return [head(200, EVENTS), chunk(first), chunk(b"data"), gate, chunk(second.removeprefix(b"data")), END]

    async with before(world, play) as (gateway, _), gateway.open("/chat/completions", ASK) as response:
        async with asyncio.timeout(20):
            read = b""
            while b"is at noon." not in read:
                read += await response.content.readany()
        gate.set()
        rest = await response.text()
    assert "[DONE]" in rest


@pytest.mark.parametrize("changed", [(b"\n", b"\r\n"), (b"data: ", b"data:"), (b"event: ", b"event:")])
async def test_envoy_ai_gateway_2463_usage_of_a_response_in_any_framing(
    world: World, changed: tuple[bytes, bytes]
) -> None:
    pieces = tuple(piece.replace(*changed) for piece in response_shapes.GOOD)
    async with before(world, Shape(means="", pieces=pieces).play) as (gateway, _), gateway.sdk() as client:
        assert await read_response(client, "m", stream=True) == Read(WORDS, (), "completed")
    (line,) = await world.ledger_entries(1)
    assert (line["input_tokens"], line["output_tokens"], line["estimated"]) == (20, 10, False)

"""Streams that users of other gateways and servers reported, each named after its thread, are read right here."""

from typing import Any

import msgspec
import pytest

from tests.faults.upstream import running_upstream
from tests.gateway import response_shapes
from tests.gateway.reports.setting import before_chat, expect_shape
from tests.gateway.sdk_reading import TOOLS, calls_in
from tests.gateway.stream_shapes import ONE_CALL, PARIS, USAGE, USED, WORDS, Shape, call, event, said, whole
from tests.harness import World
from tidegate.wire import sse

Json = dict[str, Any]

TOOL: Json = {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": PARIS}}
LIMIT = {"message": "Worker local total request limit reached (33/32)", "code": 502}
FRAGMENTS = ("{\n", ' "city"', ':"Paris"', "}")

REPORTS: dict[str, Shape] = {
    "meilisearch_6327_content_of_parts": Shape(
        means="", text=WORDS,
        pieces=(
            said(role="assistant", content=""), said(content="High tide "),
            said(content=[{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "is at "}]),
            said(content="noon."), said("stop"), USED, sse.DONE,
        ),
    ),
    "symfony_2422_thoughts_in_the_content": Shape(
        means="", text=WORDS,
        pieces=(
            said(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]), said(content=WORDS),
            said("stop"), USED, sse.DONE,
        ),
    ),
    "codex_7517_fragments_without_ids": Shape(
        means="", calls=(("call_a", "weather", "".join(FRAGMENTS)),), reason="tool_calls",
        pieces=(
            call("", id="call_a", name="weather"), *(call(part, name="", type="function") for part in FRAGMENTS),
            said("tool_calls"), USED, sse.DONE,
        ),
    ),
    "gcli2api_403_a_reason_in_each_chunk": Shape(
        means="", text=WORDS,
        pieces=(
            said("stop", reasoning_content="Hm."), said("stop", content="High tide "),
            said("stop", content="is at noon."), USED, sse.DONE,
        ),
    ),
    "ollama_5915_a_call_and_the_end_in_one_chunk": Shape(
        means="", calls=ONE_CALL, reason="tool_calls",
        pieces=(said("tool_calls", role="assistant", content="", tool_calls=[TOOL]), USED, sse.DONE),
    ),
    "litellm_17136_usage_before_an_empty_last_chunk": Shape(
        means="", text=WORDS, pieces=(said(content=WORDS), said("stop"), USED, event([]), sse.DONE),
    ),
    "opencodex_3770_a_body_with_calls_where_a_stream_was_wanted": Shape(
        means="", calls=ONE_CALL, reason="tool_calls", kind="application/json",
        pieces=(whole("tool_calls", content=None, tool_calls=[TOOL]),),
    ),
    "omniroute_8210_an_error_beside_no_choices": Shape(
        means="", error="502", pieces=(event([], error=LIMIT), sse.DONE),
    ),
    "foundry_local_31_chunks_named_completions": Shape(
        means="", text=WORDS,
        pieces=(said(content=WORDS).replace(b"completion.chunk", b"completion"), said("stop"), USED, sse.DONE),
    ),
    "gpustack_6155_field_names_lost_at_the_end": Shape(
        means="", text=WORDS,
        pieces=(said(content=WORDS), *(one.removeprefix(b"data: ") for one in (said("stop"), USED, sse.DONE))),
    ),
    "ainovel_52_a_last_piece_without_arguments": Shape(
        means="", calls=ONE_CALL, reason="tool_calls",
        pieces=(
            call(PARIS, id="call_a", name="weather"),
            said(tool_calls=[{"function": {"arguments": None}, "index": 0, "id": "", "type": "function"}]),
            event([{"finish_reason": "tool_calls", "delta": {}, "index": 0}]), USED, sse.DONE,
        ),
    ),
    "llama_cpp_12137_the_reason_before_the_delta": Shape(
        means="", text=WORDS,
        pieces=(
            event([{"finish_reason": None, "index": 0, "delta": {"content": WORDS}}], timings={"prompt_n": 43}),
            event([{"finish_reason": "stop", "index": 0, "delta": {}}], usage=USAGE), sse.DONE,
        ),
    ),
    "pi_2016_usage_in_the_choice": Shape(
        means="", text=WORDS,
        pieces=(
            said(content=WORDS), event([{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]), sse.DONE,
        ),
    ),
    "vercel_13506_the_code_of_an_error": Shape(
        means="", error="CONTEXT_LENGTH_EXCEEDED",
        pieces=(b'data: {"error": {"message": "Context length exceeded", "code": "CONTEXT_LENGTH_EXCEEDED"}}\n\n',),
    ),
    "agenc_core_2492_a_line_of_text_and_a_clean_end": Shape(
        means="", error="truncated_answer",
        pieces=(said(reasoning_content="Hm."), b"upstream error: read ECONNRESET\n\n"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
async def test_a_report_about_chat(world: World, name: str) -> None:
    async with before_chat(world, REPORTS) as (gateway, upstream):
        await expect_shape(gateway, name, REPORTS[name])
    assert upstream.calls[name] == (2 if REPORTS[name].error else 1)


THOUGHTFUL = (
    said(reasoning_content="Hm."),
    event([{"index": 0, "delta": {"content": WORDS}}], citations=["https://a"]),
)


async def test_litellm_32068_5313_reasoning_and_citations_survive_the_cache(world: World) -> None:
    shape = Shape(means="", pieces=(*THOUGHTFUL, said("stop"), USED, sse.DONE))
    async with (
        running_upstream(shape.play) as upstream,
        world.gateway(upstream={"base_url": f"{upstream.root}/first/v1"}) as gateway,
    ):
        ask: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        streamed = [await gateway.chat({**ask, "stream": True}) for _ in range(2)]
        answer = (await gateway.chat(ask)).json
    assert upstream.calls["m"] == 1
    assert streamed[0].text == streamed[1].text
    assert '"reasoning_content":"Hm."' in streamed[1].text
    assert (answer["choices"][0]["message"]["reasoning_content"], answer["citations"]) == ("Hm.", ["https://a"])


CALL_ITEM = msgspec.json.decode(msgspec.json.encode(response_shapes.CALL))
ITEMS = response_shapes.event("response.output_item.done", 2, output_index=0, item=CALL_ITEM)


@pytest.mark.parametrize(
    ("pieces", "text", "calls"),
    [
        pytest.param(response_shapes.SPOKEN, WORDS, (), id="hermes_5707_deltas"),
        pytest.param((ITEMS,), "", ONE_CALL, id="hermes_5758_items"),
    ],
)
async def test_codex_leaves_out_the_output(world: World, pieces: tuple[bytes, ...], text: str, calls: Any) -> None:
    shape = Shape(means="", pieces=(response_shapes.CREATED, *pieces, response_shapes.end("completed", [])))
    async with (
        running_upstream(shape.play) as upstream,
        world.gateway(upstream={"base_url": f"{upstream.root}/first/v1"}) as gateway,
        gateway.sdk() as client,
    ):
        stored: Any = await client.responses.create(model="m", input="Hello", tools=[])
        again = await client.responses.retrieve(stored.id)
        for response in (stored, again):
            assert (response.output_text, calls_in(response)) == (text, calls)


UNINDEXED = event([{"delta": {"content": WORDS}}])
THOUGHTS = said(reasoning_content="Hm.")


@pytest.mark.parametrize(
    ("pieces", "text", "reason"),
    [
        pytest.param((UNINDEXED, sse.DONE), WORDS, None, id="vercel_4031_neither_index_nor_reason"),
        pytest.param((THOUGHTS, sse.DONE), "", None, id="gonka_1722_half_of_the_thoughts"),
        pytest.param((said(content=WORDS), said("length"), USED, sse.DONE), WORDS, "length", id="omniroute_12885_cut"),
    ],
)
async def test_half_an_answer_is_given_once_only(
    world: World, pieces: tuple[bytes, ...], text: str, reason: str | None
) -> None:
    shape = Shape(means="", pieces=pieces)
    async with (
        running_upstream(shape.play) as upstream,
        world.gateway(upstream={"base_url": f"{upstream.root}/first/v1"}) as gateway,
        gateway.sdk() as client,
    ):
        for _ in range(2):
            completion: Any = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hello"}]
            )
            (choice,) = completion.choices
            assert (choice.message.content or "", choice.finish_reason) == (text, reason)
    assert upstream.calls["m"] == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_vllm_25054_a_call_of_the_named_tool_stops_as_at_openai(world: World, stream: bool) -> None:
    shape = Shape(means="", pieces=(call(PARIS, id="call_a", name="weather"), said("stop"), USED, sse.DONE))
    async with (
        running_upstream(shape.play) as upstream,
        world.gateway(upstream={"base_url": f"{upstream.root}/first/v1"}) as gateway,
        gateway.sdk() as client,
    ):
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "tools": TOOLS}
        forced: Any = {**asked, "tool_choice": {"type": "function", "function": {"name": "weather"}}}
        reasons = []
        for call_of in (asked, forced, forced):  # the last one is answered from the cache
            if stream:
                async with client.chat.completions.stream(**call_of) as events:
                    reasons.append((await events.get_final_completion()).choices[0].finish_reason)
            else:
                reasons.append((await client.chat.completions.create(**call_of)).choices[0].finish_reason)
    assert reasons == ["tool_calls", "stop", "stop"]
    assert upstream.calls["m"] == 2

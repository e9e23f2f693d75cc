"""Reports of 2026 about other gateways, each named after its thread, that were tried after the tables were made."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.gateway import response_shapes
from tests.gateway.reports.setting import before, before_chat, expect_shape
from tests.gateway.sdk_reading import RESPONSES_TOOLS, Read, read_response
from tests.gateway.stream_shapes import ONE_CALL, PARIS, USED, WORDS, Shape, call, cut, event, said, whole
from tests.gateway.test_limits import limited
from tests.harness import World, ask
from tidegate.auth.grants import LimitsChange, ProjectChange
from tidegate.auth.project_store import ProjectStore
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.wire import sse

Json = dict[str, Any]

CALLED = (said("tool_calls"), USED, sse.DONE)
NOON = "正午に満潮🌊"
LOST = {"code": 502, "message": "Provider disconnected", "metadata": {"error_type": "provider_unavailable"}}
NULL_CALL: Json = {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": None}}

CHAT: dict[str, Shape] = {
    "open_webui_27195_null_arguments_first": Shape(
        means="", text=WORDS, calls=ONE_CALL, reason="tool_calls",
        pieces=(said(content=WORDS), said(tool_calls=[{"index": 0, **NULL_CALL}]), call(PARIS), *CALLED),
    ),
    "new_api_3326_null_arguments_last": Shape(
        means="", calls=ONE_CALL, reason="tool_calls",
        pieces=(
            call(PARIS, id="call_a", name="weather"),
            said(tool_calls=[{"index": 0, "function": {"arguments": None}}]), *CALLED,
        ),
    ),
    "vmlx_219_empty_deltas_while_a_call_is_made": Shape(
        means="", calls=ONE_CALL, reason="tool_calls",
        pieces=(
            *(event([{"index": 0, "delta": {}}], tool_call_generating=True) for _ in range(30)),
            call(PARIS, id="call_a", name="weather"), *CALLED,
        ),
    ),
    "pi_6225_calls_without_a_reason": Shape(
        means="", calls=ONE_CALL, reason=None, status="incomplete",
        pieces=(call(PARIS, id="call_a", name="weather"), USED, sse.DONE),
    ),
    "local_operator_223_an_error_beside_the_reason_error": Shape(
        means="", text=WORDS, error="502",
        pieces=(
            said(content=WORDS),
            event([{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}], error=LOST), sse.DONE,
        ),
    ),
    "aisix_111_a_character_in_two_chunks": Shape(
        means="", text=NOON, pieces=cut(b"".join((said(content=NOON), said("stop"), USED, sse.DONE)), 1),
    ),
    "openai_oauth_8_no_word_for_the_end_of_a_call": Shape(
        means="", calls=ONE_CALL, reason="tool_calls",
        pieces=(call(PARIS, id="call_a", name="weather"), said("stop"), USED, sse.DONE),
    ),
    "agentgateway_1989_a_whole_body_with_null_arguments": Shape(
        means="", calls=(("call_a", "weather", "{}"),), reason="tool_calls", kind="application/json",
        pieces=(whole("tool_calls", content=None, tool_calls=[NULL_CALL]),),
    ),
}  # fmt: skip

NAMELESS = {**response_shapes.CALL, "name": ""}
UNARGUED = {**response_shapes.CALL, "arguments": ""}
STARTED = {**response_shapes.CALL, "arguments": "", "status": "in_progress"}
ADDED = response_shapes.event("response.output_item.added", 1, output_index=0, item=STARTED)
ARGUED = response_shapes.event(
    "response.function_call_arguments.done", 2, item_id="fc_1", output_index=0, arguments=PARIS
)


def done(item: Json) -> bytes:
    """Return the end of an item."""
    return response_shapes.event("response.output_item.done", 3, output_index=0, item=item)


BARE = {**response_shapes.MESSAGE, "content": [{"type": "output_text"}]}
RESPONSES: dict[str, Shape] = {
    "cli_proxy_api_1004_an_item_without_its_name": Shape(
        means="", calls=ONE_CALL, reason="completed",
        pieces=(response_shapes.CREATED, ADDED, ARGUED, done(NAMELESS), response_shapes.end("completed", [NAMELESS])),
    ),
    "sub2api_6629_arguments_in_one_event_only": Shape(
        means="", calls=ONE_CALL, reason="completed",
        pieces=(response_shapes.CREATED, ADDED, ARGUED, done(UNARGUED), response_shapes.end("completed", [UNARGUED])),
    ),
    "litellm_27144_no_deltas": Shape(
        means="", calls=ONE_CALL, reason="completed",
        pieces=(
            response_shapes.CREATED, ADDED, ARGUED, done(response_shapes.CALL),
            response_shapes.end("completed", [response_shapes.CALL]),
        ),
    ),
    "llm_gateway_1816_a_call_and_no_output": Shape(
        means="", calls=ONE_CALL, reason="completed",
        pieces=(
            response_shapes.CREATED, ADDED, ARGUED, done(response_shapes.CALL), response_shapes.end("completed", []),
        ),
    ),
    "cindy_4509_parts_without_text": Shape(
        means="", text=WORDS, reason="completed",
        pieces=(
            response_shapes.CREATED, *response_shapes.SPOKEN, done(BARE), response_shapes.end("completed", [BARE]),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAT)
async def test_a_report_about_chat(world: World, name: str) -> None:
    async with before_chat(world, CHAT) as (gateway, _):
        raw = await gateway.chat({"model": name, "messages": [{"role": "user", "content": "raw"}], "stream": True})
        assert '"arguments":null' not in raw.text
        await expect_shape(gateway, name, CHAT[name])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", RESPONSES)
async def test_a_report_about_responses(world: World, name: str, stream: bool) -> None:
    shape = RESPONSES[name]
    async with before(world, shape.play, retries={"max_retries": 0}) as (gateway, _), gateway.sdk() as client:
        for form in (stream, not stream):  # the second one from the cache
            assert await read_response(client, name, stream=form) == Read(shape.text, shape.calls, "completed")


SIGNED: Json = {
    "id": "call_a", "type": "function", "function": {"name": "weather", "arguments": PARIS},
    "extra_content": {"google": {"thought_signature": "c2lnbmVk"}},
}  # fmt: skip
SIGNED_SHAPES = {
    "streamed": Shape(means="", pieces=(said(tool_calls=[{"index": 0, **SIGNED}]), said("stop"), USED, sse.DONE)),
    "whole": Shape(means="", pieces=(whole("stop", content=None, tool_calls=[SIGNED]),), kind="application/json"),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("form", SIGNED_SHAPES)
async def test_pi_6733_a_call_of_gemini_keeps_its_signature(world: World, form: str, stream: bool) -> None:
    """Gemini refuses the next turn if the call comes back without the signature that came with it."""
    async with (
        before(world, SIGNED_SHAPES[form].play, targets=("gemini",)) as (gateway, upstream),
        gateway.sdk() as client,
    ):
        for form_again in (stream, not stream):  # the second one from the cache
            ask: Json = {"model": "m", "messages": [{"role": "user", "content": "Weather?"}]}
            answer = await gateway.chat({**ask, "stream": form_again})
            assert '"thought_signature":"c2lnbmVk"' in answer.text
        first: Any = await client.responses.create(model="m", input="Weather?", tools=RESPONSES_TOOLS)
        item = next(item for item in first.output if item.type == "function_call")
        result = {"type": "function_call_output", "call_id": item.call_id, "output": "rain"}
        history: Any = [{"role": "user", "content": "Weather?"}, item.model_dump(), result]
        await client.responses.create(model="m", input=history, tools=RESPONSES_TOOLS, store=False)
        stored: Any = [result]
        await client.responses.create(model="m", input=stored, previous_response_id=first.id, tools=RESPONSES_TOOLS)
    sent = [msgspec.json.decode(request.body)["messages"] for request in upstream.requests["m"]]
    turns = [message for messages in sent for message in messages if message.get("tool_calls")]
    assert turns
    assert all(turn["tool_calls"][0]["extra_content"] == SIGNED["extra_content"] for turn in turns)


def stating(*usages: Json, model: str = "m", **fields: Any) -> Shape:
    """Return an answer whose last chunks state these."""
    chunks = tuple(event([{"index": 0, "delta": {}}], usage=usage, model=model, **fields) for usage in usages)
    return Shape(means="", pieces=(said(content=WORDS), said("stop"), *chunks, sse.DONE))


USAGES: dict[str, tuple[Shape, Json]] = {
    "litellm_36168_usage_beside_an_empty_delta": (
        stating({"prompt_tokens": 16111, "completion_tokens": 2, "total_tokens": 16113,
                 "prompt_tokens_details": {"cached_tokens": 15872}}),
        {"input_tokens": 16111, "cached_tokens": 15872, "output_tokens": 2,
         "cost_nanos": 239 * 1000 + 15872 * 100 + 8000},
    ),
    "litellm_39088_vercels_gateway": (
        stating({"prompt_tokens": 9520, "completion_tokens": 16, "total_tokens": 9536, "cost": 0.00254674,
                 "prompt_tokens_details": {"cached_tokens": 9519, "audio_tokens": 0, "video_tokens": 0},
                 "market_cost": 0.00254674, "gateway_cost": 0.00254674}),
        {"input_tokens": 9520, "cached_tokens": 9519, "output_tokens": 16, "cost_nanos": 1000 + 9519 * 100 + 64000},
    ),
    "litellm_37923_a_cost_of_zero": (
        stating({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cost": 0}),
        {"input_tokens": 9, "output_tokens": 4, "cost_nanos": 9 * 1000 + 4 * 4000},
    ),
    "opencrabs_1636_cached_is_a_part": (
        stating({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010, "prompt_cache_hit_tokens": 900}),
        {"input_tokens": 1000, "cached_tokens": 900, "output_tokens": 10, "cost_nanos": 100 * 1000 + 900 * 100 + 40000},
    ),
    "litellm_39505_anthropics_names": (
        stating({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010, "cache_read_input_tokens": 600,
                 "cache_creation_input_tokens": 300}),
        {"input_tokens": 1000, "cached_tokens": 600, "cache_write_tokens": 300, "output_tokens": 10,
         "cost_nanos": 100 * 1000 + 600 * 100 + 300 * 1250 + 40000},
    ),
    "bifrost_4816_writes_among_the_cached": (
        stating({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010,
                 "prompt_tokens_details": {"cached_tokens": 900, "cached_write_tokens": 900}}),
        {"input_tokens": 1000, "cached_tokens": 0, "cache_write_tokens": 900, "output_tokens": 10,
         "cost_nanos": 100 * 1000 + 900 * 1250 + 40000},
    ),
    "llmgateway_2171_an_hour": (
        stating({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010, "prompt_tokens_details": {
            "cache_write_tokens": 900, "cache_creation": {"ephemeral_5m_input_tokens": 100,
                                                          "ephemeral_1h_input_tokens": 800}}}),
        {"input_tokens": 1000, "cache_write_tokens": 900, "output_tokens": 10,
         "cost_nanos": 100 * 1000 + 100 * 1250 + 800 * 2000 + 40000},
    ),
    "litellm_31837_the_tier_that_answered": (
        stating({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}, model="gpt-4o-mini",
                service_tier="default"),
        {"cost_nanos": 1000 * 150 + 10 * 600},
    ),
    "litellm_37046_priority_of_a_dated_model": (
        stating({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}, service_tier="priority",
                model="gpt-4o-mini-2024-07-18"),
        {"cost_nanos": 1000 * 250 + 10 * 1000},
    ),
    "litellm_35925_reasoning_costs_as_the_tiers_output": (
        stating({"prompt_tokens": 1000, "completion_tokens": 160, "total_tokens": 1160,
                 "completion_tokens_details": {"reasoning_tokens": 159}}, service_tier="priority", model="gpt-5-mini"),
        {"output_tokens": 160, "reasoning_tokens": 159, "cost_nanos": 1000 * 450 + 160 * 3600},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", USAGES)
async def test_a_report_about_money(world: World, name: str) -> None:
    shape, line_of = USAGES[name]
    prices = {"m": {"input": 1, "cached": "0.1", "cache_write": "1.25", "cache_write_1h": 2, "output": 4}}
    async with before(world, shape.play, metering={"prices": prices}) as (gateway, upstream):
        model = "m" if "litellm_3" not in name or "tier" not in name else "gpt-4o-mini"
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "service_tier": "priority"}
        streamed = await gateway.chat({**body, "stream": True})
        again = await gateway.chat(body)  # from the cache
    assert streamed.status == 200
    assert again.headers["x-tidegate-cache"] == "hit"
    sent = msgspec.json.decode(upstream.requests[model][0].body)
    assert sent["stream_options"] == {"include_usage": True}
    paid, hit = await world.ledger_entries(2)
    assert {field: paid[field] for field in line_of} == line_of
    assert hit["cost_nanos"] == 0


async def test_laravel_846_a_write_costs_in_place_of_the_input(world: World) -> None:
    usage = {
        "input_tokens": 18014, "output_tokens": 10, "total_tokens": 18024,
        "input_tokens_details": {"cache_write_tokens": 18011, "cached_tokens": 0},
    }  # fmt: skip
    answer = response_shapes.document("completed", [response_shapes.MESSAGE], usage=usage, model="gpt-6-luna")
    shape = Shape(means="", pieces=(msgspec.json.encode(answer),), kind="application/json")
    async with before(world, shape.play) as (gateway, _):
        assert (await gateway.call("/responses", {"model": "gpt-6-luna", "input": "Hi"})).status == 200
    [line] = await world.ledger_entries(1)
    assert line["cost_nanos"] == 3 * 100 + 18011 * 125 + 10 * 500


async def test_morpheus_757_thoughts_are_charged_where_no_usage_is_stated(world: World) -> None:
    thoughts = "The moon pulls the water towards itself, and the water follows it twice a day. " * 20
    shape = Shape(means="", pieces=(said(reasoning=thoughts), said(content="Noon."), said("stop"), sse.DONE))
    async with before(world, shape.play) as (gateway, _):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        assert (await gateway.chat(body)).status == 200
    [line] = await world.ledger_entries(1)
    assert line["estimated"]
    assert line["output_tokens"] > 300


async def test_litellm_40095_the_first_calls_of_an_unknown_end_user_keep_the_budget(
    world: World, postgres: Postgres, redis_link: RedisLink
) -> None:
    """Eight calls at once, of a user never seen before, under a budget that pays for two of them."""
    key = await limited(world)
    change = ProjectChange(user_limits=LimitsChange(budget_day=60_000))
    await ProjectStore(postgres, redis_link, prefix=world.prefix).update("shop", change)
    async with world.gateway() as gateway:
        bodies = [ask(f"Reply only p {number}", max_tokens=16, user="new") for number in range(8)]
        answers = await asyncio.gather(*(gateway.chat(body, authorization=key) for body in bodies))
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 429}
    assert 0 < sum(line["cost_nanos"] for line in await world.all_entries()) <= 60_000

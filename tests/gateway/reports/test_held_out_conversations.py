"""Reports of 2026 chosen before they were tried, each named after its thread: turns, reasoning and tools."""

from typing import Any

import msgspec
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.faults.scripts import whole as body_of
from tests.faults.upstream import running_upstream
from tests.gateway import response_shapes
from tests.gateway.reports.setting import before, provider_at
from tests.gateway.sdk_reading import RESPONSES_TOOLS
from tests.gateway.stream_shapes import ONE_CALL, PARIS, TEXT, USED, Shape, call, said
from tests.harness import World
from tidegate.wire import sse

Json = dict[str, Any]

THOUGHT = "The user wants the weather."
CALLING = Shape(means="", pieces=(
    said(reasoning_content=THOUGHT), call(PARIS, id="call_a", name="weather"), said("tool_calls"), USED, sse.DONE,
))  # fmt: skip
SPEAKING = Shape(means="", pieces=(*TEXT, said("stop"), USED, sse.DONE))
RESULT: Json = {"type": "function_call_output", "call_id": "call_a", "output": "rain"}


def call_first(request: Any) -> Any:
    return (CALLING if b'"tool_call_id"' not in request.body else SPEAKING).play(request)


def messages_of(upstream: Any) -> list[Json]:
    """Return the messages of the last request."""
    (*_, last) = upstream.requests["m"]
    messages: list[Json] = msgspec.json.decode(last.body)["messages"]
    return messages


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("stream", [True, False])
async def test_litellm_42005_27425_calls_stay_calls_and_thoughts_stay_thoughts(
    world: World, stored: bool, stream: bool
) -> None:
    """Three turns over a chat provider, from what was stored or from the caller's own items."""
    async with (
        running_upstream(call_first) as upstream,
        world.gateway(
            providers={"kimi": {**provider_at(upstream, "kimi"), "reasoning_field": "reasoning_content"}},
            routes={"m": {"targets": [{"provider": "kimi", "model": "m"}]}},
        ) as gateway,
        gateway.sdk() as client,
    ):
        history: list[Any] = [{"role": "user", "content": "Weather?"}]
        previous: Any = None
        for _ in range(3):
            asked: Any = {"model": "m", "tools": RESPONSES_TOOLS, "store": stored}
            asked |= {"input": history[-1:], "previous_response_id": previous} if stored else {"input": history}
            if stream:
                async with client.responses.stream(**{k: v for k, v in asked.items() if v is not None}) as events:
                    answer: Any = await events.get_final_response()
            else:
                answer = await client.responses.create(**asked)
            previous = answer.id
            history += [item.model_dump(exclude_none=True) for item in answer.output]
            calls = [item for item in answer.output if item.type == "function_call"]
            history += [{**RESULT, "call_id": calls[0].call_id}] if calls else [{"role": "user", "content": "And?"}]
    turn, result = messages_of(upstream)[1:3]
    assert turn["tool_calls"][0]["function"] == {"name": ONE_CALL[0][1], "arguments": PARIS}
    assert turn["reasoning_content"] == THOUGHT
    assert not turn.get("content")
    assert (result["role"], result["tool_call_id"]) == ("tool", turn["tool_calls"][0]["id"])
    assert THOUGHT not in [message.get("content") for message in messages_of(upstream)]


SEALED: Json = {"type": "reasoning", "id": "rs_03ede13b", "summary": [], "encrypted_content": "gAAAABqX1a78"}
STATELESS: Json = {"model": "m", "store": False, "include": ["reasoning.encrypted_content"]}
TURN: list[Json] = [
    {"role": "user", "content": "Hi"},
    SEALED,
    response_shapes.MESSAGE,
    {"role": "user", "content": "And?"},
]


@pytest.mark.parametrize("stream", [True, False])
async def test_bifrost_5410_sealed_reasoning_reaches_the_provider_untouched(world: World, stream: bool) -> None:
    good = Shape(means="", pieces=response_shapes.GOOD)
    async with before(world, good.play) as (gateway, upstream):
        answer = await gateway.call("/responses", {**STATELESS, "input": TURN, "stream": stream})
    assert answer.status == 200
    (sent,) = upstream.requests["m"]
    document = msgspec.json.decode(sent.body)
    assert document["input"][1] == SEALED
    assert (document["store"], document["include"]) == (False, ["reasoning.encrypted_content"])


REFUSAL = "The encrypted content gAAA...1a78 could not be verified. Reason: it could not be decrypted or parsed."


@pytest.mark.parametrize("code", ["invalid_encrypted_content", 0])
async def test_litellm_40364_bifrost_5892_a_turn_that_another_account_sealed_goes_on(world: World, code: Any) -> None:
    """Turns of ten conversations over two accounts that open only what they sealed themselves."""

    def play(request: Any) -> Any:
        items = msgspec.json.decode(request.body)["input"]
        seals = [item["encrypted_content"] for item in items if isinstance(item, dict) and "encrypted_content" in item]
        if any(not seal.startswith(request.provider) for seal in seals):
            error = {"message": REFUSAL, "type": "invalid_request_error", "code": code, "param": None}
            return body_of(request, 400, msgspec.json.encode({"error": error}))
        sealed = {**SEALED, "encrypted_content": f"{request.provider}-{request.number}"}
        document = response_shapes.document("completed", [sealed, response_shapes.MESSAGE])
        return body_of(request, 200, msgspec.json.encode(document))

    routes = {"m": {"strategy": "weighted", "targets": [{"provider": name, "model": "m"} for name in ("one", "two")]}}
    async with (
        running_upstream(play) as upstream,
        world.gateway(
            providers={name: provider_at(upstream, name, "openai") for name in ("one", "two")},
            routes=routes,
        ) as gateway,
    ):
        for number in range(10):
            items: list[Json] = [{"role": "user", "content": f"Hi {number}"}]
            for _ in range(3):
                answer = await gateway.call("/responses", {**STATELESS, "input": items})
                assert answer.status == 200, answer.text
                items += [*answer.json["output"], {"role": "user", "content": "And?"}]
        foreign: list[Json] = [TURN[0], {**SEALED, "encrypted_content": "three-1"}, *TURN[2:]]
        assert (await gateway.call("/responses", {**STATELESS, "input": foreign})).status == 200
    assert {request.provider for request in upstream.requests["m"]} == {"one", "two"}
    assert upstream.calls["m"] == 30 + 2


TOOL: Json = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}


async def test_bifrost_7344_restrictions_of_tools_reach_the_provider(world: World) -> None:
    asked: Json = {
        "model": "m", "input": "Hi", "store": False, "parallel_tool_calls": False,
        "tools": [TOOL, {**TOOL, "name": "tide", "strict": False}],
        "tool_choice": {
            "type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}],
        },
    }  # fmt: skip
    async with before(world, SPEAKING.play, targets=("one",)) as (gateway, upstream):
        answer = await gateway.call("/responses", asked)
        await gateway.chat({
            "model": "m", "messages": [{"role": "user", "content": "Hi"}], "parallel_tool_calls": False,
            "tools": [{"type": "function", "function": {"name": "weather", "strict": True, "parameters": {}}}],
        })  # fmt: skip
    assert answer.status == 200, answer.text
    first, second = (msgspec.json.decode(request.body) for request in upstream.requests["m"])
    assert first["parallel_tool_calls"] is second["parallel_tool_calls"] is False
    assert [(tool["function"]["name"], tool["function"]["strict"]) for tool in first["tools"]] == [("weather", True)]
    assert first["tool_choice"] == "required"
    assert second["tools"][0]["function"]["strict"] is True


ANY_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
FORMAT: Json = {"type": "json_schema", "name": "tide", "schema": {"type": "object"}, "strict": True}
DETAILED: Json = {
    "prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 6},
}  # fmt: skip


async def test_omniroute_13964_litellm_28899_strict_readers_find_all_fields(world: World) -> None:
    used = sse.encode(msgspec.json.encode({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": DETAILED,
    }))  # fmt: skip
    shape = Shape(means="", pieces=(*CALLING.pieces[:3], used, sse.DONE))
    asked: Json = {
        "model": "m",
        "input": "Hi",
        "stream": True,
        "store": False,
        "tools": [TOOL],
        "text": {"format": FORMAT},
    }
    async with before(world, shape.play, targets=("one",)) as (gateway, _):
        events = (await gateway.call("/responses", asked)).events
    for event in events:
        ANY_EVENT.validate_json(msgspec.json.encode(event), strict=True)
        if "response" in event:
            assert {"output", "background", "error", "status"} <= event["response"].keys()
        if "item" in event:
            assert event["item"]["status"] == ("in_progress" if event["type"].endswith("added") else "completed")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    response = events[-1]["response"]
    assert all(item["status"] == "completed" for item in response["output"])
    assert response["text"]["format"] == FORMAT | {"description": None} or response["text"]["format"] == FORMAT
    assert response["usage"]["input_tokens_details"]["cached_tokens"] == 4
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] == 6


@pytest.mark.parametrize("targets", [("one",), ()])
async def test_omniroute_13964_an_error_after_the_heartbeat_has_a_number(
    world: World, targets: tuple[str, ...]
) -> None:
    error = b'{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}'

    def play(request: Any) -> Any:
        return [0.3, *body_of(request, 429, error)]

    quiet: Json = {"server": {"ping_seconds": 0.05}, "retries": {"max_retries": 0}}
    async with before(world, play, targets=targets, **quiet) as (gateway, _):
        body = {"model": "m", "input": "Hi", "stream": True}
        answer = await gateway.call("/responses", body, x_tidegate_deadline="2")
    assert answer.text.startswith(": ping")
    (event,) = answer.events
    assert (event["type"], event["sequence_number"]) == ("error", 0)

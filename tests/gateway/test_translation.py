"""Where the provider only offers chat, the official SDK sees no difference on the Responses API."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from tests.harness import RESPONSES, UPSTREAM_KEY, Gateway, Json, World, data_of

ANY_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
CHAT_ONLY: Json = {"openai": {"kind": "openai", "endpoints": ["chat", "embeddings", "moderations"]}}
TOOL: Json = {
    "type": "function",
    "name": "tide_at",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}
ASK: Json = {"model": "gpt-4o-mini", "input": "When is high tide?", "store": False}


class Tide(BaseModel):
    """The form of a structured answer."""

    place: str
    height: float


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with world.gateway(providers=CHAT_ONLY) as gateway:
        yield gateway


async def test_whole_and_streamed_it_is_what_chat_would_have_said(gateway: Gateway, world: World) -> None:
    question: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "When is high tide?"}]}
    async with gateway.sdk() as client:
        said: Any = await client.chat.completions.create(**question)
        whole = await client.responses.create(**ASK)
        async with client.responses.stream(**ASK, extra_headers={"cache-control": "no-store"}) as stream:
            types = [event.type async for event in stream]
            streamed = await stream.get_final_response()
    assert whole.output_text == streamed.output_text == said.choices[0].message.content
    assert types[:2] == ["response.created", "response.in_progress"]
    assert types[-1] == "response.completed"
    assert (await world.stats())["calls"] == {"chat": 3}
    same = ("input_tokens", "output_tokens", "reasoning_tokens", "served_model", "outcome", "estimated")
    chat, *translated = await world.ledger_entries(3)
    for line in translated:
        assert line["route"] == "responses"
        assert {name: line[name] for name in same} == {name: chat[name] for name in same}
    assert whole.usage is not None
    assert whole.usage.output_tokens == chat["output_tokens"]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "o3-mini"])
@pytest.mark.parametrize("fields", [{}, {"tools": [TOOL]}, {"max_output_tokens": 16}, {"top_logprobs": 2}])
async def test_every_event_and_every_document_is_accepted_strictly(gateway: Gateway, model: str, fields: Json) -> None:
    body = {**ASK, "model": model, **fields}
    answer = await gateway.call("/responses", {**body, "stream": True})
    events = data_of(answer.text)
    for event in events:
        ANY_EVENT.validate_json(msgspec.json.encode(event), strict=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    whole = await gateway.call("/responses", body, cache_control="no-store")
    Response.model_validate_json(whole.text, strict=True)
    assert timeless(events[-1]["response"]) == timeless(whole.json)


def timeless(found: Any) -> Any:
    """Return the same without what differs in each answer."""
    own = ("id", "call_id", "created_at", "completed_at", "cached_tokens")
    if isinstance(found, dict):
        return {name: timeless(value) for name, value in found.items() if name not in own}
    return [timeless(value) for value in found] if isinstance(found, list) else found


async def test_structured_outputs(gateway: Gateway) -> None:
    async with gateway.sdk() as client:
        parsed = await client.responses.parse(**ASK, text_format=Tide)
        async with client.responses.stream(**ASK, text_format=Tide) as stream:
            streamed = await stream.get_final_response()
    assert parsed.output_parsed is not None
    assert parsed.output_parsed == streamed.output_parsed


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tools_whole_turn(gateway: Gateway, streamed: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "How high is the tide in Bristol?"}]
    async with gateway.sdk() as client:
        said: list[str] = []
        for _ in range(2):
            ask: Any = {**ASK, "input": asked, "tools": [TOOL]}
            if streamed:
                async with client.responses.stream(**ask) as stream:
                    response = await stream.get_final_response()
            else:
                response = await client.responses.create(**ask)
            said += [item.type for item in response.output]
            asked += response.output
            asked += [
                {"type": "function_call_output", "call_id": item.call_id, "output": "4 m"}
                for item in response.output
                if item.type == "function_call"
            ]
    assert said == ["function_call", "message"]


async def test_stored_turns_go_on_from_each_other(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        first = await client.responses.create(model="gpt-4o-mini", input="I am Ada.")
        second = await client.responses.create(model="gpt-4o-mini", input="Who am I?", previous_response_id=first.id)
        again = await client.responses.retrieve(second.id)
    assert again.previous_response_id == first.id
    assert again.output_text == second.output_text
    before, after = await world.ledger_entries(2)
    assert after["input_tokens"] > before["input_tokens"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_chat_cannot_say_is_refused_by_its_name(gateway: Gateway, world: World, streamed: bool) -> None:
    answer = await gateway.call("/responses", {**RESPONSES, "tools": [{"type": "web_search"}], "stream": streamed})
    assert answer.status == 400
    assert (answer.error["code"], answer.error["param"]) == ("unsupported_parameter", "tools[0].type")
    assert answer.headers["x-tidegate-error"] == "not_translatable"
    assert answer.headers["x-should-retry"] == "false"
    (line,) = await world.ledger_entries(1)
    assert (line["outcome"], line["cost_nanos"]) == ("not_translatable", 0)
    assert await world.calls() == 0


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("truncated", "truncated_answer"),
        ("truncated_clean", "truncated_answer"),
        ("error_in_stream", "server_error"),
    ],
)
async def test_a_stream_that_breaks_off_never_ends_cleanly(
    gateway: Gateway, world: World, fault: str, outcome: str
) -> None:
    answer = await gateway.call("/responses", {**RESPONSES, "stream": True}, x_simulate_fault=fault)
    events = data_of(answer.text)
    assert events[-1]["type"] == "error"
    assert not any(event["type"] == "response.completed" for event in events)
    async with gateway.sdk() as client:
        stream: Any = await client.responses.create(**ASK, stream=True, extra_headers={"x-simulate-fault": fault})
        with pytest.raises(openai.APIError):
            [event async for event in stream]
    assert [line["outcome"] for line in await world.ledger_entries(2)] == [outcome, outcome]


async def test_a_stored_answer_is_streamed_or_whole(gateway: Gateway, world: World) -> None:
    first = await gateway.call("/responses", {**RESPONSES, "stream": True})
    second = await gateway.call("/responses", RESPONSES)
    assert second.headers["x-tidegate-cache"] == "hit"
    assert data_of(first.text)[-1]["response"]["output"] == second.json["output"]
    assert await world.calls() == 1


def two_targets(first: str, second: str, upstream_url: str) -> Json:
    """Return a model with two targets, of which `local` only offers chat."""
    own = {"name": "own", "api_key": "sk-local-made-up-key"}
    return {
        "providers": {"local": {"kind": "openai_compatible", "base_url": upstream_url, "credentials": [own]}},
        "routes": {"tide": {"targets": [{"provider": name, "model": "gpt-4o-mini"} for name in (first, second)]}},
    }


async def test_when_the_usual_provider_fails_one_that_only_speaks_chat_answers(world: World) -> None:
    async with world.gateway(**two_targets("openai", "local", world.upstream_url)) as gateway:
        await world.set_faults(key=UPSTREAM_KEY[-4:], server_error=1.0)
        body = {**ASK, "model": "tide", "max_output_tokens": 50, "stream": True}
        answer = await gateway.call("/responses", body)
    assert data_of(answer.text)[-1]["type"] == "response.completed"
    assert answer.headers["x-tidegate-served-by"].startswith("local/")
    assert answer.headers["x-tidegate-adapted"] == "responses: chat, max_completion_tokens: max_tokens"
    (line,) = await world.ledger_entries(1)
    assert (line["outcome"], line["provider"], line["estimated"]) == ("ok", "local", False)


async def test_what_chat_cannot_say_goes_to_a_target_that_speaks_responses(world: World) -> None:
    async with world.gateway(**two_targets("local", "openai", world.upstream_url)) as gateway:
        body = {**ASK, "model": "tide", "tools": [{"type": "web_search"}]}
        answer = await gateway.call("/responses", body)
    assert (answer.status, answer.headers["x-tidegate-served-by"]) == (200, "openai/gpt-4o-mini")
    assert (await world.stats())["calls"] == {"responses": 1}


async def test_on_a_websocket(gateway: Gateway) -> None:
    async with gateway.sdk() as client, client.responses.connect() as connection:
        previous: Any = openai.omit
        for words in ("I am Ada.", "Who am I?"):
            ask: Any = {"model": "gpt-4o-mini", "input": words, "store": False, "previous_response_id": previous}
            await connection.response.create(**ask)
            async for event in connection:
                if event.type == "response.completed":
                    break
            assert event.type == "response.completed"
            previous = event.response.id

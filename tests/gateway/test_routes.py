"""Every route answers through the whole gateway as OpenAI does, and unknown fields pass through."""

import base64
from typing import Any

import pytest

from tests.harness import CHAT, EMBEDDINGS, MODERATIONS, RESPONSES, STREAM, Gateway, Json, World, ask, chat_text
from tidegate.auth.grants import KeyChange

TOOL: Json = {
    "type": "function",
    "function": {"name": "tide_at", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}},
}
SCHEMA: Json = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "hours": {"type": "array", "items": {"type": "integer"}}},
    "required": ["place", "hours"],
    "additionalProperties": False,
}
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/chat/completions", CHAT, "chat.completion"),
        ("/responses", RESPONSES, "response"),
        ("/embeddings", EMBEDDINGS, "list"),
        ("/models", None, "list"),
        ("/models/gpt-4o-mini", None, "model"),
    ],
)
async def test_a_route_answers(gateway: Gateway, path: str, body: Any, kind: str) -> None:
    answer = await gateway.call(path, body)
    assert (answer.status, answer.json["object"]) == (200, kind)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")


async def test_moderations_need_no_model(gateway: Gateway) -> None:
    answer = await gateway.call("/moderations", MODERATIONS)
    assert answer.json["results"][0]["flagged"] is False
    assert answer.headers["x-tidegate-cost-usd"] == "0.000000000"


async def test_an_answer_says_where_it_came_from(gateway: Gateway) -> None:
    answer = await gateway.chat()
    assert answer.headers["x-tidegate-cache"] == "miss"
    assert answer.headers["x-tidegate-served-by"].startswith("openai/gpt-4o-mini")
    assert float(answer.headers["x-tidegate-cost-usd"]) > 0


@pytest.mark.parametrize("route", ["/chat/completions", "/responses"])
async def test_a_stream_says_the_same_as_the_whole_answer(gateway: Gateway, world: World, route: str) -> None:
    body = CHAT if route == "/chat/completions" else RESPONSES
    whole = await gateway.call(route, body, cache_control="no-store")
    streamed = await gateway.call(route, {**body, "stream": True}, cache_control="no-store")
    assert streamed.headers["content-type"].startswith("text/event-stream")
    if route == "/responses":
        assert streamed.events[-1]["response"]["output"][0]["content"] == whole.json["output"][0]["content"]
        assert [event["sequence_number"] for event in streamed.events] == list(range(len(streamed.events)))
    else:
        assert streamed.text.endswith("data: [DONE]\n\n")
        assert chat_text(streamed.events) == whole.json["choices"][0]["message"]["content"]
    assert sum((await world.stats())["calls"].values()) == 2


@pytest.mark.parametrize("asked", [True, False])
async def test_a_stream_has_a_usage_chunk_only_where_it_was_asked_for(gateway: Gateway, asked: bool) -> None:
    body = {**STREAM, "stream_options": {"include_usage": True}} if asked else STREAM
    events = (await gateway.chat(body)).events
    assert [bool(event.get("usage")) for event in events].count(True) == int(asked)
    assert all(event["choices"] for event in events[:-1])


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"tools": [TOOL]}, '"tool_calls"'),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "tide", "schema": SCHEMA}}}, "place"),
        ({"n": 3}, '"index":2'),
        ({"model": "o3-mini", "reasoning_effort": "low"}, '"choices"'),
        ({"logprobs": True, "top_logprobs": 2}, '"choices"'),
        ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, '"choices"'),
        ({"a_field_of_tomorrow": {"deep": [1, 2.50, None]}}, '"choices"'),
    ],
)
async def test_what_shapes_an_answer_reaches_the_upstream_as_it_was_sent(
    gateway: Gateway,
    world: World,
    fields: Json,
    found: str,
    streamed: bool,
) -> None:
    body = ask("tide", **fields, stream=streamed)
    answer = await gateway.chat(body, x_simulate_strict="false")  # it is asked for a field that OpenAI has not yet
    direct = await _directly(world, body)
    assert answer.status == 200, answer.text
    assert found in answer.text
    assert _timeless(answer.events if streamed else [answer.json]) == _timeless(direct)


async def test_an_image_goes_through(gateway: Gateway, world: World) -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    content: list[Json] = [{"type": "text", "text": "What is it?"}, image]
    body = {**CHAT, "messages": [{"role": "user", "content": content}]}
    answer = await gateway.chat(body)
    assert _timeless([answer.json]) == _timeless(await _directly(world, body))


async def _directly(world: World, body: Json) -> list[Json]:
    """Return the simulator's own answer, without the gateway."""
    sent = {**body, "stream_options": {"include_usage": False}} if body.get("stream") else body
    alone = Gateway(world.upstream_url.removesuffix("/v1"), "sk-any", world.http)
    answer = await alone.chat(sent, x_simulate_strict="false")
    return answer.events if body.get("stream") else [answer.json]


def _timeless(answers: list[Json]) -> list[Any]:
    """Return the answers without what differs between two answers, and without a stream's usage."""
    return [_without(answer, {"id", "created", "usage", "obfuscation", "expires_at"}) for answer in answers]


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(item, names) for name, item in value.items() if name not in names}
    return [_without(item, names) for item in value] if isinstance(value, list) else value


async def test_a_key_sees_the_models_that_it_may_use(gateway: Gateway, world: World) -> None:
    granted = KeyChange(models=("gpt-4o-mini",))
    key = (await world.keys.create(project="shop", grants=granted)).token
    mine = {"authorization": f"Bearer {key}"}
    listed = await gateway.call("/models", **mine)
    assert [model["id"] for model in listed.json["data"]] == ["gpt-4o-mini"]
    assert len((await gateway.call("/models")).json["data"]) > 1
    assert (await gateway.call("/models/gpt-4o-mini", **mine)).status == 200
    other = await gateway.call("/models/text-embedding-3-small", **mine)
    assert (other.status, other.error["code"]) == (404, "model_not_found")

"""Responses and their events validate against the types of the Open Responses specification, which others publish.

It runs in the environment of the outside suites. `OPENAI_BASE_URL` and `OPENAI_API_KEY` name the gateway.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import openresponses_types as published
import pytest
from openresponses_types import ResponseResource
from pydantic import BaseModel

Json = dict[str, Any]

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PLACE: Json = {
    "type": "object",
    "properties": {"place": {"type": "string"}},
    "required": ["place"],
    "additionalProperties": False,
}
TOOL: Json = {"type": "function", "name": "tide_at", "description": "The tide at a place.", "parameters": PLACE}
CALL: Json = {"type": "function_call", "call_id": "call_1", "name": "tide_at", "arguments": '{"place":"Bristol"}'}


def says(role: str, content: Any) -> Json:
    return {"type": "message", "role": role, "content": content}


ASKED: dict[str, Json] = {
    "a text": {"input": "When is high tide?"},
    "a message": {"input": [says("user", "Say hello in three words.")]},
    "a system's message": {"input": [says("system", "Be brief."), says("user", "Hello")]},
    "a developer's message": {"input": [says("developer", "Be brief."), says("user", "Hello")]},
    "instructions": {"input": "Hello", "instructions": "Be brief."},
    "a tool": {"input": "High tide in Bristol?", "tools": [TOOL]},
    "a tool that is required": {"input": "Hello", "tools": [TOOL], "tool_choice": "required"},
    "a tool that is named": {
        "input": "Hello", "tools": [TOOL], "tool_choice": {"type": "function", "name": "tide_at"},
    },
    "allowed tools": {
        "input": "Hello",
        "tools": [TOOL],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "tide_at"}]},
    },
    "a tool's result": {
        "input": [says("user", "?"), CALL, {"type": "function_call_output", "call_id": "call_1", "output": "12:00"}],
        "tools": [TOOL],
    },
    "an image": {
        "input": [
            says("user", [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": PIXEL}])
        ]
    },
    "several turns": {
        "input": [says("user", "My name is Alice."), says("assistant", "Hello Alice!"), says("user", "Who am I?")]
    },
    "a structured answer": {
        "input": "Where?", "text": {"format": {"type": "json_schema", "name": "place", "schema": PLACE, "strict": True}}
    },
    "a JSON object": {"input": "A place as json", "text": {"format": {"type": "json_object"}}},
    "a limit on tokens": {"input": "Hello", "max_output_tokens": 16},
    "sampling": {"input": "Hello", "temperature": 0.2, "top_p": 0.5, "truncation": "auto"},
    "a model that reasons": {"model": "o4-mini", "input": "Hello", "reasoning": {"effort": "low", "summary": "auto"}},
    "a reasoning that is encrypted": {
        "model": "o4-mini", "input": "Hello", "include": ["reasoning.encrypted_content"], "store": False,
    },
    "log probabilities": {"input": "Hello", "include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "metadata": {"input": "Hello", "metadata": {"order": "7"}, "safety_identifier": "u1", "prompt_cache_key": "k1"},
    "nothing stored": {"input": "Hello", "store": False},
}  # fmt: skip
CONTENT = {"response.output_text.delta", "response.function_call_arguments.delta"}
ITEM_TYPES = {"a tool": "function_call", "a tool that is required": "function_call", "several turns": "message"}


@pytest.fixture(scope="session")
def gateway() -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    with httpx.Client(base_url=os.environ["OPENAI_BASE_URL"], headers=headers, timeout=60) as client:
        yield client


def event_types() -> dict[str, type[BaseModel]]:
    """The published type of each event, by the event's name."""
    types = [kind for name, kind in vars(published).items() if name.endswith("StreamingEvent")]
    return {next(iter(kind.model_fields["type"].annotation)).value: kind for kind in types}


EVENTS = event_types()


def checked(event: Json) -> Json:
    """The event, which must validate and have a name that is published."""
    assert event["type"] in EVENTS, f"not a published event: {event['type']}"
    EVENTS[event["type"]].model_validate(event)
    return event


def streamed(gateway: httpx.Client, method: str, path: str, **options: Any) -> list[Json]:
    with gateway.stream(method, path, **options) as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    assert answer.status_code == 200, lines
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [checked(json.loads(line.removeprefix("data: "))) for line in lines if line != "data: [DONE]"]


@pytest.mark.parametrize("name", ASKED)
def test_a_response(gateway: httpx.Client, name: str) -> None:
    answer = gateway.post("/responses", json={"model": "gpt-4o-mini", **ASKED[name]})
    assert answer.status_code == 200, answer.text
    response = ResponseResource.model_validate(answer.json())
    assert response.status == ("incomplete" if name == "a limit on tokens" else "completed")
    assert response.output
    if name in ITEM_TYPES:
        assert ITEM_TYPES[name] in [item.type for item in response.output]


@pytest.mark.parametrize("name", ASKED)
def test_a_stream(gateway: httpx.Client, name: str) -> None:
    body = {"model": "gpt-4o-mini", **ASKED[name], "stream": True}
    events = streamed(gateway, "POST", "/responses", json=body, headers={"cache-control": "no-store"})
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == ("response.incomplete" if name == "a limit on tokens" else "response.completed")
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done")
    assert CONTENT & set(kinds)
    assert ResponseResource.model_validate(events[-1]["response"]).output


def test_a_response_is_found_again_and_continued(gateway: httpx.Client) -> None:
    first = gateway.post("/responses", json={"model": "gpt-4o-mini", "input": "My name is Alice."}).json()
    assert ResponseResource.model_validate(gateway.get(f"/responses/{first['id']}").json()).id == first["id"]
    body = {"model": "gpt-4o-mini", "input": "What is my name?", "previous_response_id": first["id"]}
    then = ResponseResource.model_validate(gateway.post("/responses", json=body).json())
    assert then.previous_response_id == first["id"]
    assert "Alice" in then.output[0].content[0].text


def test_a_response_in_the_background(gateway: httpx.Client) -> None:
    begun = gateway.post("/responses", json={"model": "gpt-4o-mini", "input": "Hello", "background": True}).json()
    assert ResponseResource.model_validate(begun).status in ("queued", "in_progress")
    events = streamed(gateway, "GET", f"/responses/{begun['id']}", params={"stream": "true"})
    assert events[-1]["type"] == "response.completed"
    assert ResponseResource.model_validate(gateway.get(f"/responses/{begun['id']}").json()).status == "completed"


def test_a_compaction(gateway: httpx.Client) -> None:
    answer = gateway.post("/responses/compact", json={"model": "gpt-4o-mini", "input": "Hello"})
    assert answer.status_code == 200, answer.text
    published.CompactResource.model_validate(answer.json())


@pytest.mark.parametrize(
    ("body", "status"),
    [({"model": "gpt-4o-mini"}, 400), ({"input": "x"}, 400), ({"model": "gpt-4o-mini", "input": 5}, 400)],
)
def test_a_refusal_has_the_published_error(gateway: httpx.Client, body: Json, status: int) -> None:
    answer = gateway.post("/responses", json=body)
    assert answer.status_code == status
    published.ErrorPayload.model_validate(answer.json()["error"])

"""Every Response, and every event of its stream, passes the strict types of the official SDK."""

from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.simulator.client import IDENTITY, RESPONSES, SCHEMA, Json
from tidegate.simulator.answers.reply import SimulatedReply
from tidegate.simulator.answers.responses import generation_request, reply
from tidegate.simulator.refusal import Refusal

ANY_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
FUNCTION = {"type": "function", "name": "tides", "parameters": SCHEMA}
CUSTOM = {"type": "custom", "name": "shout"}
KEYS = """
completed_at incomplete_details previous_response_id instructions error tools tool_choice truncation
parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs temperature reasoning usage
max_output_tokens max_tool_calls store background service_tier safety_identifier prompt_cache_key
"""
REQUIRED_BY_STRICT_READERS = set(KEYS.split())

ASKED: dict[str, Json] = {
    "plain": {},
    "messages": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]},
    "instructions": {"instructions": "Be brief.", "metadata": {"a": "b"}, "temperature": 0.2, "store": False},
    "log probabilities": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "function": {"tools": [FUNCTION]},
    "custom tool": {"tools": [CUSTOM], "tool_choice": "required"},
    "structured": {"text": {"format": {"type": "json_schema", "name": "t", "schema": SCHEMA, "strict": True}}},
    "json": {"text": {"format": {"type": "json_object"}}},
    "cut short": {"max_output_tokens": 16},
    "reasoning": {"model": "gpt-5", "reasoning": {"effort": "low", "summary": "auto"}},
    "reasoning in secret": {"model": "o3", "include": ["reasoning.encrypted_content"], "store": False},
    "reasoning cut short": {"model": "gpt-5", "max_output_tokens": 20},
    "conversation": {"conversation": "conv_1"},
    "next turn": {"previous_response_id": "resp_0", "service_tier": "flex"},
}


def ask(**more: Any) -> SimulatedReply:
    body = {**RESPONSES, **more}
    return reply(body, generation_request(body, None), IDENTITY)


@pytest.mark.parametrize("more", ASKED.values(), ids=ASKED)
def test_a_response_validates_strictly_and_misses_no_key(more: Json) -> None:
    body = ask(**more).body
    Response.model_validate_json(msgspec.json.encode(body), strict=True)
    assert set(body) >= REQUIRED_BY_STRICT_READERS


@pytest.mark.parametrize("more", ASKED.values(), ids=ASKED)
def test_every_event_validates_strictly_and_the_last_one_is_the_response(more: Json) -> None:
    streamed = ask(**more, stream=True)
    events = streamed.events or []
    for event in events:
        ANY_EVENT.validate_json(msgspec.json.encode(event), strict=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"] == streamed.body


def test_what_was_asked_is_repeated() -> None:
    body = ask(**ASKED["instructions"]).body
    assert (body["instructions"], body["metadata"], body["store"]) == ("Be brief.", {"a": "b"}, False)


def test_a_limit_on_tokens_leaves_the_response_incomplete() -> None:
    streamed = ask(max_output_tokens=16, stream=True)
    assert streamed.body["status"] == "incomplete"
    assert streamed.body["incomplete_details"] == {"reason": "max_output_tokens"}
    assert (streamed.events or [])[-1]["type"] == "response.incomplete"


def test_a_model_that_reasons_shows_it_before_it_speaks() -> None:
    body = ask(model="gpt-5", reasoning={"summary": "auto"}).body
    assert [item["type"] for item in body["output"]] == ["reasoning", "message"]
    assert body["usage"]["output_tokens_details"]["reasoning_tokens"] == 128


def test_a_function_is_called_with_what_its_schema_requires() -> None:
    (call,) = ask(tools=[FUNCTION]).body["output"]
    assert set(msgspec.json.decode(call["arguments"])) == {"place", "hours"}


def test_after_a_tools_output_comes_text() -> None:
    turn = [{"role": "user", "content": "Hi"}, {"type": "function_call_output", "call_id": "c", "output": "12:00"}]
    (item,) = ask(tools=[FUNCTION], input=turn).body["output"]
    assert item["type"] == "message"


def test_nothing_asked_is_refused() -> None:
    with pytest.raises(Refusal, match="'input'"):
        generation_request({"model": "gpt-4o"}, None)

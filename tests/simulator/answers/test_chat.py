"""Every chat completion, whole or streamed, passes the strict types of the official SDK."""

import base64
from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.simulator.client import CHAT, IDENTITY, SCHEMA, Json
from tidegate.simulator.answers.chat import generation_request, reply
from tidegate.simulator.answers.reply import SimulatedReply
from tidegate.simulator.refusal import Refusal
from tidegate.wire.chat import from_chunks

FUNCTION = {"type": "function", "function": {"name": "tides", "parameters": SCHEMA}}
CUSTOM = {"type": "custom", "custom": {"name": "shout"}}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "tides", "schema": SCHEMA, "strict": True}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}

ASKED: dict[str, Json] = {
    "plain": {},
    "several": {"n": 3},
    "log probabilities": {"logprobs": True, "top_logprobs": 3},
    "tools": {"tools": [FUNCTION]},
    "structured": {"response_format": JSON_SCHEMA},
    "json": {"response_format": {"type": "json_object"}},
    "cut short": {"max_tokens": 3},
    "reasoning": {"model": "o4-mini", "reasoning_effort": "high"},
    "reasoning cut short": {"model": "gpt-5", "max_completion_tokens": 100},
    "stop": {"stop": ["high"]},
    "audio": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}},
    "priority": {"service_tier": "fast"},
    "image": {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}]},
}


def ask(tokens: int | None = None, **more: Any) -> SimulatedReply:
    body = {**CHAT, **more}
    return reply(body, generation_request(body, tokens), IDENTITY)


def message(**more: Any) -> Json:
    result: Json = ask(**more).body["choices"][0]["message"]
    return result


@pytest.mark.parametrize("more", ASKED.values(), ids=ASKED)
def test_a_completion_validates_strictly(more: Json) -> None:
    ChatCompletion.model_validate_json(msgspec.json.encode(ask(**more).body), strict=True)


@pytest.mark.parametrize("more", ASKED.values(), ids=ASKED)
def test_every_chunk_validates_strictly_and_all_of_them_are_the_completion(more: Json) -> None:
    streamed = ask(**more, stream=True, stream_options={"include_usage": True})
    for chunk in streamed.events or ():
        ChatCompletionChunk.model_validate_json(msgspec.json.encode(chunk), strict=True)
    assert from_chunks(streamed.events or ()) == streamed.body


def test_usage_is_streamed_only_when_asked_for() -> None:
    assert all("usage" not in chunk for chunk in ask(stream=True).events or ())


def test_a_limit_on_tokens_cuts_the_answer_and_says_so() -> None:
    cut = ask(max_tokens=3)
    assert cut.body["choices"][0]["finish_reason"] == "length"
    assert cut.body["usage"]["completion_tokens"] == 3
    assert message()["content"].startswith(message(max_tokens=3)["content"])


def test_a_model_that_reasons_pays_for_it_within_the_limit() -> None:
    spent = ask(model="gpt-5", max_completion_tokens=100).body
    assert spent["choices"][0]["message"]["content"] == ""
    assert spent["choices"][0]["finish_reason"] == "length"
    assert spent["usage"]["completion_tokens_details"]["reasoning_tokens"] == 100


def test_a_stop_word_ends_the_answer_before_it() -> None:
    whole = message()["content"]
    assert message(stop="high")["content"] == whole.partition("high")[0]


def test_choices_differ() -> None:
    choices = ask(n=3).body["choices"]
    assert len({choice["message"]["content"] for choice in choices}) == 3


def test_log_probabilities_spell_the_answer() -> None:
    choice = ask(logprobs=True, top_logprobs=2).body["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert all(len(token["top_logprobs"]) == 2 and token["logprob"] < 0 for token in tokens)


def test_a_structured_answer_has_what_its_schema_requires() -> None:
    answer = msgspec.json.decode(message(response_format=JSON_SCHEMA)["content"])
    assert set(answer) == {"place", "hours"}


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (None, "tides"),
        ("auto", "tides"),
        ("none", None),
        ("required", "tides"),
        ({"type": "custom", "custom": {"name": "shout"}}, "shout"),
        ({"type": "function", "function": {"name": "tides"}}, "tides"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [CUSTOM]}}, "shout"),
    ],
)
def test_the_tool_that_is_chosen_is_called(choice: Any, called: str | None) -> None:
    said = message(tools=[FUNCTION, CUSTOM], tool_choice=choice)
    calls = said.get("tool_calls", [])
    assert [call[call["type"]]["name"] for call in calls] == ([called] if called else [])
    assert (said["content"] is None) == bool(called)


def test_a_tool_that_is_not_offered_cannot_be_chosen() -> None:
    with pytest.raises(Refusal, match="'sing' not found"):
        ask(tools=[FUNCTION], tool_choice={"type": "function", "function": {"name": "sing"}})


def test_an_answer_is_as_long_as_it_is_told_to_be() -> None:
    assert ask(tokens=500).output_tokens == 500


def test_audio_comes_with_its_transcript_instead_of_text() -> None:
    said = message(**ASKED["audio"])
    assert said["content"] is None
    assert said["audio"]["transcript"]
    assert base64.b64decode(said["audio"]["data"])

"""A chat completion becomes OpenAI's chunks, and the chunks become the completion again."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from tidegate.wire.chat import from_chunks, to_chunks

Json = dict[str, Any]

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=30)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
NOT_YET_KNOWN = st.dictionaries(st.sampled_from(["x_new", "citations", "reasoning_content"]), ANYTHING)
TEXT = st.text(max_size=200)
FUNCTION = st.fixed_dictionaries({"name": st.text(min_size=1, max_size=9), "arguments": TEXT})
CUSTOM = st.fixed_dictionaries({"name": st.text(min_size=1, max_size=9), "input": TEXT})
CALLS = st.fixed_dictionaries({"id": TEXT, "type": st.just("function"), "function": FUNCTION}) | (
    st.fixed_dictionaries({"id": TEXT, "type": st.just("custom"), "custom": CUSTOM})
)
AUDIO = st.fixed_dictionaries({"id": TEXT, "data": TEXT, "transcript": TEXT, "expires_at": st.integers()})


@st.composite
def logprobs(draw: st.DrawFn, text: str | None) -> Json | None:
    if draw(st.booleans()):
        return None
    tokens: list[Json] = [{"token": c, "logprob": -0.5, "bytes": None, "top_logprobs": []} for c in text or ""]
    return {"content": draw(st.sampled_from([tokens, tokens[1:], None])), "refusal": None}


@st.composite
def messages(draw: st.DrawFn) -> Json:
    optional = {
        "refusal": st.none() | TEXT,
        "tool_calls": st.lists(CALLS, max_size=3),
        "audio": st.none() | AUDIO,
        "function_call": FUNCTION,
        "annotations": st.lists(st.fixed_dictionaries({"type": st.just("url_citation")}), max_size=2),
    }
    known = st.fixed_dictionaries({"role": st.just("assistant"), "content": st.none() | TEXT}, optional=optional)
    return {**draw(NOT_YET_KNOWN), **draw(known)}


@st.composite
def completions(draw: st.DrawFn) -> Json:
    choices = []
    for index in range(draw(st.integers(0, 3))):
        message = draw(messages())
        choice = {"index": index, "message": message, "finish_reason": "stop", **draw(NOT_YET_KNOWN)}
        if draw(st.booleans()):
            choice["logprobs"] = draw(logprobs(message["content"]))
        choices.append(choice)
    head: Json = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
    usage: Json = draw(st.sampled_from([{}, {"usage": None}, {"usage": {"total_tokens": 3}}]))
    return {**draw(NOT_YET_KNOWN), **head, **usage, "choices": choices}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(completions())
def test_there_and_back_changes_nothing(completion: Json) -> None:
    assert from_chunks(to_chunks(completion)) == completion


WHOLE: Json = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt-4o",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "The tide comes in.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        },
        {
            "index": 1,
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "tide", "arguments": '{"at":"noon"}'}}
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        },
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
}


def test_every_chunk_is_one_that_the_official_sdk_accepts_strictly() -> None:
    for chunk in to_chunks(WHOLE):
        ChatCompletionChunk.model_validate_json(msgspec.json.encode(chunk), strict=True)


def test_a_stream_opens_with_the_role_and_closes_with_reason_and_usage() -> None:
    chunks = to_chunks(WHOLE)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert {chunk["choices"][0]["finish_reason"] for chunk in chunks[-3:-1]} == {"stop", "tool_calls"}
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == WHOLE["usage"]
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


def test_who_did_not_ask_for_usage_gets_none_of_it() -> None:
    assert all("usage" not in chunk for chunk in to_chunks(WHOLE, include_usage=False))


def test_a_tool_call_says_its_name_first_and_then_only_arguments() -> None:
    deltas = [c["choices"][0]["delta"] for c in to_chunks(WHOLE) if c["choices"] and c["choices"][0]["index"] == 1]
    calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert calls[0] == {"index": 0, "id": "call_1", "type": "function", "function": {"name": "tide", "arguments": ""}}
    assert "".join(call["function"]["arguments"] for call in calls) == '{"at":"noon"}'


def _chunk(delta: Json, **choice: Any) -> Json:
    return {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, **choice}]}


@pytest.mark.parametrize(
    ("deltas", "message"),
    [
        pytest.param([{"role": "assistant"}, {"role": "assistant", "content": "a"}], {"content": "a"}, id="role twice"),
        pytest.param(
            [
                {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]},
                {"tool_calls": [{"index": 0, "id": "", "function": {"name": "", "arguments": ""}}]},
                {"tool_calls": [{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}]},
            ],
            {
                "content": None,
                "tool_calls": [
                    {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "function": {"name": "g", "arguments": "{}"}},
                ],
            },
            id="tool calls with one index, later names empty",
        ),
        pytest.param(
            [{"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"name": "", "arguments": "}"}}],
            {"content": None, "function_call": {"name": "f", "arguments": "{}"}},
            id="an empty name in the old form",
        ),
        pytest.param([{"content": "a"}, {"content": None}, {"content": "b"}], {"content": "ab"}, id="null between"),
        pytest.param(
            [{"reasoning_content": "a"}, {"reasoning_content": "b"}], {"content": None, "reasoning_content": "ab"},
            id="a string nobody knows",
        ),
        pytest.param(
            [
                {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}}]},
                {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}]},
                {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "1"}}]},
                {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
            ],
            {
                "content": None,
                "tool_calls": [
                    {"id": "b", "function": {"name": "g", "arguments": "1"}},
                    {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                ],
            },
            id="tool calls in the order in which they began, names repeated",
        ),
    ],
)  # fmt: skip
def test_deltas_add_up(deltas: list[Json], message: Json) -> None:
    completion = from_chunks([_chunk(delta) for delta in deltas])
    assert completion["choices"][0]["message"] == {"role": "assistant", **message}


def test_a_message_beside_each_delta_is_not_added_to_them() -> None:
    chunks = [_chunk({"content": word}, message={"content": so_far}) for word, so_far in (("a", "a"), ("b", "ab"))]
    assert from_chunks(chunks)["choices"][0]["message"]["content"] == "ab"


def test_a_whole_message_in_place_of_a_delta_is_the_message() -> None:
    message = {"role": "assistant", "content": "ab"}
    chunk = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    assert from_chunks([chunk])["choices"][0]["message"] == message


def test_what_filters_say_about_each_chunk_is_kept_once() -> None:
    verdict = {"hate": {"filtered": False, "severity": "safe"}}
    completion = from_chunks([_chunk({"content": c}, content_filter_results=verdict) for c in "ab"])
    assert completion["choices"][0]["content_filter_results"] == verdict


def test_obfuscation_is_dropped() -> None:
    assert "obfuscation" not in from_chunks([{**_chunk({}), "obfuscation": "aaa"}])


def test_chunks_that_only_a_filter_sends_take_no_name_away() -> None:
    nameless = {"id": "", "model": "", "created": 0}
    before = {**nameless, "choices": [], "prompt_filter_results": []}
    after = {**nameless, "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]}
    completion = from_chunks([before, {**_chunk({"content": "a"}), "id": "c1", "model": "m", "created": 7}, after])
    assert (completion["id"], completion["model"], completion["created"]) == ("c1", "m", 7)
    assert completion["choices"][0]["message"]["content"] == "a"

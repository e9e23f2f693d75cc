"""The texts of a partial answer are extracted, each once, to count their tokens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.wire import chat, responses, sse
from tidegate.wire.output_text import output_texts, output_texts_in_steps

TOOL = {"type": "function", "function": {"name": "tide_at", "arguments": '{"port":"Hull"}'}}
MESSAGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "text": ({"content": "High at noon."}, ["High at noon."]),
    "refusal": ({"content": None, "refusal": "I will not."}, ["I will not."]),
    "reasoning": ({"reasoning_content": "Hm. ", "content": "Yes."}, ["Hm. ", "Yes."]),
    "tool": ({"content": None, "tool_calls": [{"id": "1", **TOOL}]}, ["tide_at", '{"port":"Hull"}']),
    "custom tool": (
        {"tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "sql", "input": "x"}}]},
        ["sql", "x"],
    ),
    "function call": ({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, ["f", "{}"]),
}
ITEMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "text": ({"id": "1", "type": "message", "content": [{"type": "output_text", "text": "High"}]}, ["High"]),
    "refusal": ({"id": "1", "type": "message", "content": [{"type": "refusal", "refusal": "No."}]}, ["No."]),
    "reasoning": ({"id": "1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}, ["Hm."]),
    "tool": ({"id": "1", "type": "function_call", "name": "f", "arguments": '{"a":1}'}, ["f", '{"a":1}']),
    "custom tool": ({"id": "1", "type": "custom_tool_call", "name": "f", "input": "x y"}, ["f", "x y"]),
    "code": ({"id": "1", "type": "code_interpreter_call", "code": "1+1"}, ["1+1"]),
}


def completion(*messages: dict[str, Any]) -> dict[str, Any]:
    choices = [
        {"index": index, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
        for index, message in enumerate(messages)
    ]
    return {"id": "c", "object": "chat.completion", "choices": choices}


def response(*items: dict[str, Any]) -> dict[str, Any]:
    return {"id": "r", "object": "response", "status": "completed", "output": list(items)}


def events(documents: list[dict[str, Any]]) -> list[bytes]:
    return [sse.encode(json.dumps(document).encode(), document.get("type")) for document in documents]


@pytest.mark.parametrize(("message", "words"), MESSAGES.values(), ids=MESSAGES)
def test_a_chat_answer_says_the_same_whole_and_streamed(message: dict[str, Any], words: list[str]) -> None:
    whole = completion(message)
    assert output_texts(endpoints.CHAT, [json.dumps(whole).encode()]) == words
    assert output_texts(endpoints.CHAT, [*events(chat.to_chunks(whole)), sse.DONE]) == words


@pytest.mark.parametrize(("item", "words"), ITEMS.values(), ids=ITEMS)
def test_a_response_says_the_same_whole_and_streamed(item: dict[str, Any], words: list[str]) -> None:
    whole = response(item)
    assert output_texts(endpoints.RESPONSES, [json.dumps(whole, indent=2).encode()]) == words
    assert output_texts(endpoints.RESPONSES, events(responses.to_events(whole))) == words


def test_every_choice_counts() -> None:
    assert output_texts(endpoints.CHAT, [json.dumps(completion({"content": "a"}, {"content": "b"})).encode()]) == [
        "a",
        "b",
    ]


def test_a_stream_counts_as_far_as_it_came() -> None:
    chunks = events(chat.to_chunks(completion({"content": "The tide comes in and then it goes out again."})))
    (text,) = output_texts(endpoints.CHAT, chunks[:3])
    assert "The tide comes in and then it goes out again.".startswith(text)


def test_a_body_may_begin_with_a_line_break() -> None:
    assert output_texts(endpoints.CHAT, [b'\n {"choices":[{"message":{"content":"a"}}]}']) == ["a"]


@pytest.mark.parametrize("route", list(endpoints.ALL))
@pytest.mark.parametrize(
    "odd",
    [
        b"", b": ping\n\n", sse.DONE, b"data: {\n\n", b"\xff", b"[]", b"{", b'{"choices":7}', b'{"choices":[7]}',
        b'{"choices":[{"delta":"x"}]}', b'{"choices":[{"delta":{"content":7,"tool_calls":[{"function":[]}, 3]}}]}',
        b'{"output":[7,{"content":"x"},{"content":[7,{"text":7}],"summary":3}]}', b'{"output":{}}',
        b'{"type":7,"delta":"x"}', b'{"type":"response.output_text.delta","delta":{}}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_nothing(route: Endpoint, odd: bytes) -> None:
    assert output_texts(route, [odd]) == []


@given(st.lists(st.binary(max_size=60)))
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    assert isinstance(output_texts(endpoints.RESPONSES, pieces), list)


def test_a_long_stream_is_looked_through_in_steps() -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"hi "}}]}\n\n'
    steps = output_texts_in_steps(endpoints.CHAT, [event] * 1_000)
    for _ in range(5):
        next(steps)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == ["hi " * 1_000]

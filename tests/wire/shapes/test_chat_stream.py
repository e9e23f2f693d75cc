"""A chunk in another shape than OpenAI's is put into it, and every other event passes unchanged."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.wire import sse
from tidegate.wire.shapes.chat_stream import ChatStreamMender

Json = dict[str, Any]

CALL: Json = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def event(choice: Json, **more: Any) -> bytes:
    return sse.encode(msgspec.json.encode({"choices": [{"index": 0, **choice}], **more}))


def mended(*events: bytes) -> list[Json]:
    """Return the last event's choices."""
    mender = ChatStreamMender()
    *_, last = [mender.mend_event(one) for one in events]
    choices: list[Json] = msgspec.json.decode(sse.data_of(last) or b"null")["choices"]
    return choices


@pytest.mark.parametrize(
    "one",
    [
        event({"delta": {"content": "High tide"}}),
        event({"delta": {"content": 'the "tool_calls": [{ of it'}}),
        event({"delta": {}, "finish_reason": "tool_calls"}),
        event({"delta": {"tool_calls": [{"index": 0, **CALL}]}}),
        event({"delta": {"content": "a", "tool_calls": None}}),
        event({"delta": {"content": "a"}, "message": {"content": "a"}}),
        b'data: {"choices":[],"usage":{"total_tokens":3}}\n\n',
        b'data: {"error":{"message":"no"}}\n\n',
        b'data: {"message":"no","code":500}\n\n',
        b"data: {\n\n",
        b"data: [1]\n\n",
        b'data: {"choices":7}\n\n',
        b": ping\n\n",
        sse.DONE,
    ],
)
def test_what_has_openais_shape_or_is_no_chunk_passes_unchanged(one: bytes) -> None:
    assert ChatStreamMender().mend_event(one) is one


def test_calls_of_one_index_are_numbered_apart_in_each_choice() -> None:
    mender = ChatStreamMender()
    other = {**CALL, "id": "b"}
    mender.mend_event(event({"delta": {"tool_calls": [{"index": 0, **CALL}]}}))
    for choice, number in ((0, 1), (1, 0)):
        one = sse.data_of(mender.mend_event(event({"index": choice, "delta": {"tool_calls": [{"index": 0, **other}]}})))
        assert msgspec.json.decode(one or b"")["choices"][0]["delta"]["tool_calls"] == [{"index": number, **other}]
    assert mender.has_usable_calls()


@pytest.mark.parametrize("rest", [{}, {"choices": None}])
def test_a_chunk_without_choices_gets_an_empty_list_of_them(rest: Json) -> None:
    assert mended(sse.encode(msgspec.json.encode({**rest, "usage": {"total_tokens": 3}}))) == []


def test_a_chunk_that_is_called_a_completion_is_called_a_chunk() -> None:
    one = event({"delta": {"content": "a"}}, object="chat.completion")
    assert b'"object":"chat.completion.chunk"' in ChatStreamMender().mend_event(one)


@pytest.mark.parametrize("lost", [b'{"choices":[]}\n\n', b"[DONE]\n\n"])
def test_a_field_name_that_was_lost_is_written_again(lost: bytes) -> None:
    assert ChatStreamMender().mend_event(lost) == b"data: " + lost


@pytest.mark.parametrize("rest", [{}, {"delta": None}])
def test_a_choice_without_a_delta_gets_an_empty_one(rest: Json) -> None:
    (choice,) = mended(event({**rest, "finish_reason": None, "content_filter_offsets": {"check_offset": 44}}))
    assert choice == {"index": 0, "delta": {}, "finish_reason": None, "content_filter_offsets": {"check_offset": 44}}


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
REFERENCE = {"type": "reference", "reference_ids": [1]}


@pytest.mark.parametrize(
    ("content", "delta"),
    [
        ([{"type": "text", "text": "High"}, {"type": "text", "text": " tide"}], {"content": "High tide"}),
        ([THOUGHT], {"content": "", "reasoning_content": "Hm."}),
        ([THOUGHT, {"type": "text", "text": "a"}], {"content": "a", "reasoning_content": "Hm."}),
        ([{"type": "reasoning", "summary": [{"text": "Hm."}]}], {"content": "", "reasoning_content": "Hm."}),
        ([REFERENCE, "a"], {"content": "a", "content_parts": [REFERENCE]}),
        ([], {"content": ""}),
    ],
)
def test_a_content_of_parts_becomes_a_text(content: list[Any], delta: Json) -> None:
    (choice,) = mended(event({"delta": {"content": content}}))
    assert {**choice["delta"], "content_parts": delta.get("content_parts")} == {"content_parts": None, **delta}


def test_nesting_without_end_is_left_to_the_reader() -> None:
    deep = b'data: {"choices":[{"index":0,"delta":{"content": [' + b"[" * 900 + b"]" * 900 + b"]}}]}\n\n"
    assert ChatStreamMender().mend_event(deep)


def test_a_message_in_place_of_a_delta_becomes_one() -> None:
    message = {"role": "assistant", "content": "High tide", "tool_calls": [CALL]}
    (choice,) = mended(event({"message": message, "finish_reason": "stop"}))
    assert choice["delta"] == {"role": "assistant", "content": "High tide", "tool_calls": [{"index": 0, **CALL}]}
    assert "message" not in choice


def test_a_message_after_the_deltas_repeats_them_and_is_left_out() -> None:
    (choice,) = mended(
        event({"delta": {"content": "High tide"}}),
        event({"message": {"content": "High tide"}, "finish_reason": "stop"}),
    )
    assert choice == {"index": 0, "delta": {}, "finish_reason": "stop"}


_JSON = st.recursive(
    st.none() | st.integers(-1, 2) | st.sampled_from(["", "a"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["choices", "delta", "message", "tool_calls", "index", "content"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(_JSON, max_size=3))
def test_nothing_that_a_provider_says_breaks_it(documents: list[Any]) -> None:
    mender = ChatStreamMender()
    for document in documents:
        assert mender.mend_event(sse.encode(msgspec.json.encode(document)))


@pytest.mark.parametrize(
    ("sent", "read"),
    [("stop", "tool_calls"), ("STOP", "tool_calls"), ("tool_use", "tool_calls"), ("length", "length"), (None, None)],
)
def test_a_choice_with_tool_calls_ends_with_them(sent: str | None, read: str | None) -> None:
    calls = event({"delta": {"tool_calls": [{"index": 0, **CALL}]}})
    end = event({"delta": {"content": "."}, "finish_reason": sent})

    assert mended(calls, end)[0]["finish_reason"] == read
    assert mended(event({"index": 1, "delta": {"tool_calls": [{"index": 0, **CALL}]}}), end)[0]["finish_reason"] == sent


def test_a_request_that_names_its_tool_gets_the_reason_as_it_is() -> None:
    mender = ChatStreamMender(keeps_reasons=True)
    mender.mend_event(event({"delta": {"tool_calls": [{"index": 0, **CALL}]}}))
    end = event({"delta": {}, "finish_reason": "stop"})

    assert mender.mend_event(end) is end

"""A chunk is decoded leniently: missing fields, nulls, and fields in other places."""

from typing import Any

import msgspec
import pytest

from tidegate.core.errors import MalformedAnswer
from tidegate.wire.translate.chunk import ChatChunk, FunctionDelta, convert_chunk, decode_chunk


def chunk(delta: Any, **more: Any) -> ChatChunk:
    return decode_chunk(msgspec.json.encode({"choices": [{"delta": delta, **more}]}))


@pytest.mark.parametrize(
    ("delta", "thoughts", "text"),
    [
        ({}, "", ""),
        ({"content": None}, "", ""),
        ({"content": "hi"}, "", "hi"),
        ({"reasoning_content": "hm"}, "hm", ""),
        ({"reasoning": "hm"}, "hm", ""),
        ({"reasoning_content": "hm", "reasoning": "hm"}, "hm", ""),
        ({"reasoning": {"text": "?"}}, "", ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, 7]}, "", "ab"),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, "hm", ""),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, "hm", ""),
    ],
)
def test_what_a_delta_says(delta: Any, thoughts: str, text: str) -> None:
    choice = chunk(delta).choice
    assert choice is not None
    assert choice.delta is not None
    assert (choice.delta.reasoning_text(), choice.delta.text()) == (thoughts, text)


def test_the_first_choice_is_the_one() -> None:
    second = {"index": 1, "delta": {}}
    assert decode_chunk(msgspec.json.encode({"choices": [second]})).choice is None
    assert decode_chunk(msgspec.json.encode({"choices": [second, {"index": 0}]})).choice is not None
    assert decode_chunk(b'{"choices":null}').choice is None


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ({"arguments": "{"}, "{"),
        ({"arguments": {"a": 1}}, '{"a":1}'),
        ({"input": "x"}, "x"),
        ({"arguments": None}, ""),
    ],
)
def test_a_piece_of_an_argument(function: Any, text: str) -> None:
    assert msgspec.convert(function, FunctionDelta).text == text


def test_the_old_function_call_is_a_call() -> None:
    choice = chunk({"function_call": {"name": "f"}}).choice
    assert choice is not None
    assert choice.delta is not None
    assert [call.function and call.function.name for call in choice.delta.tool_deltas()] == ["f"]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"choices":7}', b'{"choices":[{"delta":"x"}]}', b'{"choices":"\xff"}']
)
def test_what_is_no_chunk_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        decode_chunk(data)


def test_so_is_an_object_that_is_none() -> None:
    assert convert_chunk({"model": "m"}).model == "m"
    with pytest.raises(MalformedAnswer):
        convert_chunk({"choices": 7})

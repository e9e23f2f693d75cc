"""A stored answer comes out of Redis as it went in, byte for byte."""

import json
import os
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cache.stored import AnswerCodec, StoredAnswer, UnreadableAnswer
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.wire.answer_form import caller_echo
from tidegate.wire.call import parse

CODEC = AnswerCodec()
ANSWERS = st.builds(
    StoredAnswer,
    stream=st.booleans(),
    body=st.binary(max_size=2000) | st.binary(min_size=1, max_size=9).map(lambda piece: piece * 500),
    served_by=st.text(max_size=30),
    echo=st.text(max_size=30),
    adapted=st.lists(st.text(max_size=30), max_size=3).map(tuple),
    stored_at=st.floats(0, 1e11),
)


def call(route: Endpoint = endpoints.RESPONSES, /, **fields: Any) -> str:
    """What an answer to this call would repeat."""
    return caller_echo(parse(route, json.dumps({"model": "m", **fields}).encode()))


@given(ANSWERS)
def test_what_was_packed_unpacks_to_the_same(answer: StoredAnswer) -> None:
    head, body = CODEC.pack(answer)
    assert CODEC.unpack(head, body, answer.stored_at) == answer
    assert AnswerCodec().unpack(head, body, answer.stored_at) == answer, "another process reads it too"


def test_an_answer_of_an_earlier_version_is_read() -> None:
    head = msgspec.msgpack.encode([True, False, "openai/m", ""])
    assert CODEC.unpack(head, b"x", 1.0) == StoredAnswer(stream=True, body=b"x", served_by="openai/m", stored_at=1.0)


@pytest.mark.parametrize("cut", [-1, -40])
def test_an_answer_that_ends_early_is_none(cut: int) -> None:
    text = b"tide " * 400
    _, packed = CODEC.pack(StoredAnswer(stream=False, body=text, served_by="openai/m"))
    head = msgspec.msgpack.encode([False, True, "openai/m", ""])  # of a release that stored no checksum
    assert CODEC.unpack(head, packed, 1.0).body == text
    with pytest.raises(UnreadableAnswer):
        CODEC.unpack(head, packed[:cut], 1.0)


def test_text_is_stored_small_and_the_short_and_the_dense_as_they_are() -> None:
    text = b'data: {"choices":[{"delta":{"content":"tide"}}]}\n\n' * 400
    _, packed = CODEC.pack(StoredAnswer(stream=True, body=text, served_by="openai/m"))
    assert len(packed) < len(text) / 20

    _, short = CODEC.pack(StoredAnswer(stream=False, body=b"{}", served_by="openai/m"))
    assert short == b"{}"

    dense = os.urandom(5000)
    _, kept = CODEC.pack(StoredAnswer(stream=False, body=dense, served_by="openai/m"))
    assert len(kept) < len(dense) + 50


def test_only_a_response_repeats_its_callers_words() -> None:
    fields: dict[str, Any] = {"user": "ada", "metadata": {"ticket": "7"}}
    assert call(endpoints.CHAT, **fields) == ""
    assert call(endpoints.EMBEDDINGS, **fields) == ""
    assert json.loads(call(endpoints.RESPONSES, **fields)) == fields


@pytest.mark.parametrize("name", endpoints.RESPONSES.echoes)
def test_each_of_the_callers_values_is_in_the_echo(name: str) -> None:
    assert json.loads(call(endpoints.RESPONSES, **{name: "x"})) == {name: "x"}


@pytest.mark.parametrize("fields", [{}, {"metadata": {}}, {"metadata": None, "user": ""}, {"temperature": 1}])
def test_who_says_nothing_has_nothing_repeated(fields: dict[str, Any]) -> None:
    assert call(**fields) == ""


def test_the_same_words_are_the_same_text_whatever_their_order() -> None:
    assert call(user="a", metadata={"x": "1", "y": "2"}) == call(metadata={"y": "2", "x": "1"}, user="a")

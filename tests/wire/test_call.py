"""A body is decoded once, hostile or not, and unknown fields are forwarded unchanged."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core import endpoints
from tidegate.core.errors import BodyNotAnObject, BodyNotJson, EmptyBody, InvalidParameter, TidegateError
from tidegate.wire.call import parse, read_object


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyBody),
        (b"  \n", EmptyBody),
        (b"{", BodyNotJson),
        (b"model=gpt", BodyNotJson),
        (b"\xff\xfe", BodyNotJson),
        (b'{"model":"\xed\xa0\x80"}', BodyNotJson),
        (b'{"model":NaN}', BodyNotJson),
        (b'{"model":"m","seed":' + b"1" * 5000 + b"}", BodyNotJson),
        (b"[" * 200_000, BodyNotJson),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, BodyNotJson),
        (b"[]", BodyNotAnObject),
        (b'"hello"', BodyNotAnObject),
        (b"{}", InvalidParameter),
        (b'{"model":7}', InvalidParameter),
        (b'{"model":""}', InvalidParameter),
        (b'{"model":"' + b"m" * 300 + b'"}', InvalidParameter),
        (b'{"model":"m\\u0000"}', InvalidParameter),
        (b'{"model":"m\\r\\nx-more: 1"}', InvalidParameter),
        (b'{"model":"m","stream":"yes"}', InvalidParameter),
    ],
)
def test_a_bad_body_is_refused_by_its_own_error(data: bytes, error: type[TidegateError]) -> None:
    with pytest.raises(error):
        parse(endpoints.CHAT, data)


def test_fields_nobody_knows_keep_their_very_bytes() -> None:
    data = b'{"model":"m", "new": {"b": 1.50, "a":[1e2,  "\\u00e9"]} ,"temperature":0.10}'
    call = parse(endpoints.CHAT, data)
    assert call.upstream_body() == b'{"model":"m","new":{"b": 1.50, "a":[1e2,  "\\u00e9"]},"temperature":0.10}'


def test_a_key_sent_twice_is_forwarded_once_as_it_was_metered() -> None:
    call = parse(endpoints.CHAT, b'{"model":"cheap","model":"dear"}')
    assert call.model == "dear"
    assert call.upstream_body() == b'{"model":"dear"}'


@pytest.mark.parametrize(
    ("options", "sent", "asked"),
    [
        (None, {"include_usage": True}, False),
        (
            {"include_usage": False, "include_obfuscation": False},
            {"include_usage": True, "include_obfuscation": False},
            False,
        ),
        ({"include_usage": True}, {"include_usage": True}, True),
    ],
)
def test_a_chat_stream_is_always_asked_for_its_usage(options: object, sent: object, asked: bool) -> None:
    body = {"model": "m", "stream": True} | ({"stream_options": options} if options else {})
    call = parse(endpoints.CHAT, json.dumps(body).encode())
    assert json.loads(call.upstream_body())["stream_options"] == sent
    assert call.wants_usage is asked


def test_a_responses_stream_is_left_as_it_is() -> None:
    data = b'{"model":"m","stream":true}'
    assert parse(endpoints.RESPONSES, data).upstream_body() == data


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"whole \ud83d\ude00", "whole \U0001f600"),
        (rb"literal \\ud83d", r"literal \ud83d"),
        (rb"\ude00 first", "\ufffd first"),
    ],
)
def test_half_an_emoji_is_replaced_not_refused(text: bytes, read: str) -> None:
    assert parse(endpoints.CHAT, b'{"model":"m","user":"' + text + b'"}').end_user == read


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_typed_error(data: bytes) -> None:
    with contextlib.suppress(TidegateError):
        parse(endpoints.RESPONSES, data)


def test_moderations_need_no_model() -> None:
    assert parse(endpoints.MODERATIONS, b'{"input":"x"}').model == "omni-moderation-latest"


def test_a_body_that_is_no_call_is_read_by_the_same_rules() -> None:
    assert read_object(b'{"a":"\\ud800"}') == {"a": "\ufffd"}
    with pytest.raises(BodyNotAnObject):
        read_object(b"[]")
    with pytest.raises(BodyNotJson):
        read_object(b"{")

"""A body is decoded once, hostile or not, and unknown fields are forwarded unchanged."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import (
    BodyNotAnObject,
    BodyNotJson,
    EmptyBody,
    InvalidId,
    InvalidParameter,
    MissingParameter,
    TidegateError,
    UnknownParameter,
)
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
        (b"[" * 200_000, BodyNotAnObject),
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
        (b'{"model":"m","Model":"n"}', UnknownParameter),
        (b'{"prompt":{"id":"pmpt_1"}}', MissingParameter),
        (b"\xef\xbb\xbf", BodyNotJson),
        (b'\xef\xbb\xbf\xef\xbb\xbf{"model":"m"}', BodyNotJson),
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


def test_a_byte_order_mark_is_passed_over() -> None:
    call = parse(endpoints.CHAT, b'\xef\xbb\xbf{"model":"m","messages":[]}')
    assert call.upstream_body() == b'{"model":"m","messages":[]}'


@pytest.mark.parametrize("endpoint", endpoints.ALL)
def test_of_a_field_that_is_there_twice_the_last_counts_here_and_upstream(endpoint: Endpoint) -> None:
    call = parse(endpoint, b'{"model":"a","stream":true,"mod\\u0065l":"b","stream":false}')
    assert (call.model, call.stream) == ("b", False)
    assert json.loads(call.upstream_body(), object_pairs_hook=list) == [("model", "b"), ("stream", False)]


@pytest.mark.parametrize("body", [b"{}", b'{"model":"body"}', b'{"model":null}', b'{"model":7}'])
def test_the_addresss_model_takes_the_place_of_the_bodys(body: bytes) -> None:
    call = parse(endpoints.CHAT, body, model="address")
    assert call.model == "address"
    assert json.loads(call.upstream_body()) == call.body == {"model": "address"}


@pytest.mark.parametrize(
    ("body", "model", "names_prompt"),
    [
        ({"prompt": {"id": "pmpt_1"}}, "pmpt_1", True),
        ({"prompt": {"id": "pmpt_1"}, "model": None}, "pmpt_1", True),
        ({"prompt": {"id": "pmpt_1"}, "model": "m"}, "m", False),
    ],
)
def test_a_stored_prompt_may_stand_for_the_model(body: dict[str, object], model: str, names_prompt: bool) -> None:
    call = parse(endpoints.RESPONSES, json.dumps(body).encode())
    assert (call.model, call.names_prompt) == (model, names_prompt)
    assert not call.with_model("n").names_prompt


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ({}, MissingParameter),
        ({"id": 7}, InvalidParameter),
        ({"id": "gpt-4o"}, InvalidId),
        ("pmpt_1", MissingParameter),
    ],
)
def test_what_is_no_prompt_stands_for_nothing(prompt: object, error: type[TidegateError]) -> None:
    with pytest.raises(error):
        parse(endpoints.RESPONSES, json.dumps({"prompt": prompt}).encode())


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_body_in_another_encoding_is_named_so(encoding: str) -> None:
    with pytest.raises(BodyNotJson, match="not UTF-8"):
        parse(endpoints.CHAT, '{"model":"m","messages":[{"role":"user","content":"h\u00e4"}]}'.encode(encoding))


@pytest.mark.parametrize(
    ("fields", "wants"),
    [
        ({}, False),
        ({"response_format": {"type": "text"}}, False),
        ({"response_format": {"type": "json_object"}}, True),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, True),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, True),
        ({"text": {"verbosity": "low"}}, False),
        ({"response_format": 7, "text": 7}, False),
    ],
)
def test_a_call_says_whether_the_text_shall_be_json(fields: dict[str, Any], wants: bool) -> None:
    assert parse(endpoints.CHAT, json.dumps({"model": "m", **fields}).encode()).wants_json is wants


@pytest.mark.parametrize(
    ("fields", "is_limited"),
    [
        ({}, False),
        ({"max_tokens": None}, False),
        ({"max_tokens": 5}, True),
        ({"max_completion_tokens": 5}, True),
        ({"max_output_tokens": 5}, True),
    ],
)
def test_a_call_says_whether_its_caller_limited_the_answer(fields: dict[str, Any], is_limited: bool) -> None:
    call = parse(endpoints.CHAT, json.dumps({"model": "m", **fields}).encode())
    assert call.is_limited is is_limited
    assert not msgspec.structs.replace(call, assumed_output=5).is_limited

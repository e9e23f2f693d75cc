"""State parameters are read from the body, within limits, and contradictions are refused."""

from typing import Any

import msgspec
import pytest

from tidegate.conversations.state_params import StateParams, read_state_params
from tidegate.core import endpoints
from tidegate.core.errors import InvalidParameter, MutuallyExclusive, UnsupportedParameter
from tidegate.wire.call import Call, parse

Json = dict[str, Any]


ENCRYPTED_ITEM = {"id": "rs_1", "encrypted_content": "gAAAA"}


def response(**fields: Any) -> Call:
    return parse(endpoints.RESPONSES, msgspec.json.encode({"model": "m", "input": "Hello", **fields}))


def completion(**fields: Any) -> Call:
    return parse(endpoints.CHAT, msgspec.json.encode({"model": "m", "messages": [], **fields}))


@pytest.mark.parametrize(
    "call",
    [
        completion(),
        completion(store=False, metadata={"a": "b"}),
        completion(store=None),
        response(store=False),
        response(store=False, input=[{"role": "user", "content": "Hello"}, {"type": "reasoning", **ENCRYPTED_ITEM}]),
        parse(endpoints.EMBEDDINGS, b'{"model":"m","input":"x","store":true}'),
    ],
)
def test_a_call_that_asks_nothing_costs_nothing(call: Call) -> None:
    assert read_state_params(call) is None


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (completion(store=True), StateParams(store=True)),
        (completion(store=True, metadata={"a": "b"}), StateParams(store=True, metadata={"a": "b"})),
        (response(), StateParams(store=True)),
        (response(store=None), StateParams(store=True)),
        (response(background=True), StateParams(store=True, background=True)),
        (response(previous_response_id="resp_1", store=False), StateParams(store=False, previous_response_id="resp_1")),
        (response(conversation="conv_1"), StateParams(store=True, conversation="conv_1")),
        (response(conversation={"id": "conv_1"}), StateParams(store=True, conversation="conv_1")),
        (response(include=["x"]), StateParams(store=True, include=frozenset({"x"}))),
        (
            response(store=False, input=[{"type": "item_reference", "id": "msg_1"}]),
            StateParams(store=False, has_references=True),
        ),
        (response(store=False, input=[{"id": "msg_1"}]), StateParams(store=False, has_references=True)),
        (
            response(store=False, input=[{"type": "reasoning", "id": "rs_1"}]),
            StateParams(store=False, has_references=True),
        ),
    ],
)
def test_what_is_asked_is_read(call: Call, expected: StateParams) -> None:
    assert read_state_params(call) == expected


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"previous_response_id": "resp_1", "conversation": "conv_1"}, MutuallyExclusive, "previous_response_id"),
        ({"background": True, "store": False}, UnsupportedParameter, "background"),
        ({"store": "yes"}, InvalidParameter, "store"),
        ({"previous_response_id": 1}, InvalidParameter, "previous_response_id"),
        ({"previous_response_id": "conv_1"}, InvalidParameter, "previous_response_id"),
        ({"previous_response_id": "resp_" + "x" * 99}, InvalidParameter, "previous_response_id"),
        ({"conversation": "resp_1"}, InvalidParameter, "conversation"),
        ({"conversation": {}}, InvalidParameter, "conversation"),
        ({"conversation": {"id": None}}, InvalidParameter, "conversation"),
        ({"conversation": "conv_\x00"}, InvalidParameter, "conversation"),
        ({"metadata": []}, InvalidParameter, "metadata"),
        ({"metadata": {"a": 1}}, InvalidParameter, "metadata.a"),
        ({"metadata": {"a" * 65: ""}}, InvalidParameter, "metadata"),
        ({"metadata": {"a": "b" * 513}}, InvalidParameter, "metadata.a"),
        ({"metadata": {str(n): "" for n in range(17)}}, InvalidParameter, "metadata"),
        ({"include": "x"}, InvalidParameter, "include"),
    ],
)
def test_what_cannot_be_is_refused_and_named(fields: Json, error: type[Exception], param: str) -> None:
    with pytest.raises(error) as refused:
        read_state_params(response(**fields))
    assert getattr(refused.value, "param", None) == param


def test_metadata_at_its_limits_is_taken() -> None:
    metadata = {f"{n}".rjust(64, "k"): "v" * 512 for n in range(16)}
    asked = read_state_params(completion(store=True, metadata=metadata))
    assert asked is not None
    assert asked.metadata == metadata

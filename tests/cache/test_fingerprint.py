"""Two calls have the same fingerprint exactly if they are equivalent, whichever caller sends them and however."""

import hashlib
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cache.fingerprint import IGNORED_FIELDS, fingerprint, shareable
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.wire.call import LARGE_BYTES, parse

CHAT, RESPONSES, EMBEDDINGS, MODERATIONS = (
    endpoints.CHAT,
    endpoints.RESPONSES,
    endpoints.EMBEDDINGS,
    endpoints.MODERATIONS,
)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "minimum": 1}}}
QUESTION: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}

SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["messages", "tools", "temperature", "seed", "response_format", "stop", "a_new_field"])
BODIES = st.dictionaries(FIELDS, VALUES, max_size=5).map(lambda fields: {**fields, "model": "m"})


def fingerprint_of(body: object, route: Endpoint = CHAT, *, scope: str = "acme", **headers: str) -> str:
    """The fingerprint of a body, given as JSON or as what becomes it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return fingerprint(parse(route, data), scope=scope, headers={k.replace("_", "-"): v for k, v in headers.items()})


def request_body(**fields: Any) -> str:
    return fingerprint_of({**QUESTION, **fields})


def shuffled(value: Any, order: random.Random) -> Any:
    """The same JSON with the keys of each object in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


def test_a_fingerprint_is_short_and_says_nothing() -> None:
    assert len(request_body()) == 40
    assert int(request_body(), 16)


@given(BODIES, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(body: dict[str, Any], order: random.Random) -> None:
    assert fingerprint_of(shuffled(body, order)) == fingerprint_of(body)


@given(BODIES, st.sampled_from([None, 1, 4]), st.booleans())
def test_white_space_and_escapes_do_not_matter(body: dict[str, Any], indent: int | None, escaped: bool) -> None:
    assert fingerprint_of(json.dumps(body, indent=indent, ensure_ascii=escaped).encode()) == fingerprint_of(body)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"model":"m","temperature":0.5}', b'{"model":"m","temperature":5e-1}'),
        (b'{"model":"m","seed":1}', b'{"model":"m","seed":1.0}'),
        (b'{"model":"m","seed":-0.0}', b'{"model":"m","seed":0}'),
        (b'{"model":"m","max_tokens":100}', b'{"model":"m","max_tokens":1e2}'),
        (b'{"model":"m","seed":1,"user":null,"stop":null}', b'{"model":"m","seed":1}'),
        (b'{"model":"m","logit_bias":{"50":1.0}}', b'{"model":"m","logit_bias":{"50":1}}'),
        (b'{"model":"m","tools":[{"minimum":[3.0,{"x":-4.0}]}]}', b'{"model":"m","tools":[{"minimum":[3,{"x":-4}]}]}'),
        (b'{"model":"m","x":["a",1.0,",1.0,"]}', b'{"model":"m","x":["a",1,",1.0,"]}'),
        ('{"model":"m","stop":"é"}'.encode(), b'{"model":"m","stop":"\\u00e9"}'),
        (b'{"model":"x","model":"m"}', b'{"model":"m"}'),
    ],
)  # fmt: skip
def test_the_same_value_may_be_spelt_in_any_way(one: bytes, other: bytes) -> None:
    assert fingerprint_of(one) == fingerprint_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"n": 1}, {"n": True}),
        ({"logprobs": False}, {"logprobs": 0}),
        ({"seed": 1}, {"seed": True}),
        ({"seed": 1}, {"seed": "1"}),
        ({"seed": 0}, {}),
        ({"seed": 9007199254740993}, {"seed": 9007199254740992}),
        ({"x": [1, 2]}, {"x": [2, 1]}),
        ({"x": [None]}, {"x": []}),
        ({"x": {"y": None}}, {"x": {}}),
        ({"x": ""}, {}),
        ({"x": "潮"}, {"x": "汐"}),
        ({"x": "Прилив"}, {"x": "Отлив"}),
        ({"x": "مد"}, {"x": "جزر"}),
        ({"x": "🌊"}, {"x": "🌙"}),
        ({"x": "e\u0301"}, {"x": "\u00e9"}),
        ({"x": "a"}, {"x": "a "}),
        ({"x": "1.0"}, {"x": "1"}),
        ({"messages": [{"role": "user", "content": "ab"}, {"role": "user", "content": "c"}]},
         {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "bc"}]}),
    ],
)  # fmt: skip
def test_what_is_not_the_same_is_not_taken_for_it(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert request_body(**one) != request_body(**other)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "m2"},
        {"messages": [{"role": "system", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": "hi"}]},
        {"messages": [{"role": "user", "content": "Hi", "name": "ada"}]},
        {"tools": [TOOL]},
        {"tools": [TOOL], "tool_choice": "required"},
        {"temperature": 0},
        {"top_p": 0.9},
        {"n": 2},
        {"seed": 7},
        {"stop": "."},
        {"max_tokens": 5},
        {"max_completion_tokens": 5},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"reasoning_effort": "low"},
        {"service_tier": "flex"},
        {"store": True},
        {"a_field_of_the_future": 1},
    ],
)
def test_what_shapes_the_answer_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert request_body(**change) != request_body()


@given(BODIES, FIELDS, VALUES)
def test_any_field_that_shapes_the_answer_changes_the_fingerprint(body: dict[str, Any], name: str, value: Any) -> None:
    changed = {**body, name: value}
    meant = {key: item for key, item in body.items() if item is not None}
    now = {key: item for key, item in changed.items() if item is not None}
    if CHAT.defaults.get(name, ...) in (value, body.get(name, ...)):
        return
    same = json.dumps(meant, sort_keys=True) == json.dumps(now, sort_keys=True)
    if same:
        assert fingerprint_of(changed) == fingerprint_of(body)
    elif not same_numbers(meant, now):
        assert fingerprint_of(changed) != fingerprint_of(body)


def same_numbers(one: Any, other: Any) -> bool:
    """Equal but for the spelling of numbers, and True is no number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_numbers(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_numbers, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


@pytest.mark.parametrize("name", sorted(IGNORED_FIELDS))
def test_who_asks_and_how_it_travels_does_not_matter(name: str) -> None:
    value: Any = {"stream": True, "stream_options": {"include_usage": True}, "metadata": {"a": "b"}}.get(name, "x")
    assert request_body(**{name: value}) == request_body()
    body = {"model": "m", "input": "Hi"}
    assert fingerprint_of({**body, name: value}, RESPONSES) == fingerprint_of(body, RESPONSES)


@pytest.mark.parametrize(("route", "name"), [(route, name) for route in endpoints.ALL for name in route.defaults])
def test_saying_the_default_is_saying_nothing(route: Endpoint, name: str) -> None:
    body = {"model": "m"} if name != "model" else {}
    assert fingerprint_of({**body, name: route.defaults[name]}, route) == fingerprint_of(body, route)
    assert fingerprint_of({**body, name: None}, route) == fingerprint_of(body, route)


@pytest.mark.parametrize(
    ("fields", "default"), [({"tools": [TOOL]}, "auto"), ({}, "none"), ({"tools": [TOOL]}, None), ({}, None)]
)
def test_the_default_of_tool_choice_depends_on_the_tools(fields: dict[str, Any], default: str | None) -> None:
    assert request_body(**fields, tool_choice=default) == request_body(**fields)
    assert request_body(**fields, tool_choice="auto") == request_body(**fields) or not fields


def test_project_route_and_forwarded_headers_tell_calls_apart() -> None:
    body = {"model": "m", "input": "Hi"}
    prints = {
        fingerprint_of(body, RESPONSES),
        fingerprint_of(body, RESPONSES, scope="other"),
        fingerprint_of(body, EMBEDDINGS),
        fingerprint_of(body, MODERATIONS),
        fingerprint_of(body, CHAT),
        fingerprint_of(body, RESPONSES, openai_organization="org-1"),
        fingerprint_of(body, RESPONSES, openai_beta="x=v1"),
    }
    assert len(prints) == 7


def test_headers_that_only_name_the_request_do_not() -> None:
    assert fingerprint_of(QUESTION, idempotency_key="1", x_client_request_id="a") == request_body()


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_two_texts_are_confused(one: str, other: str) -> None:
    assert (request_body(stop=one) == request_body(stop=other)) is (one == other)


@pytest.mark.parametrize("number", ["1e300", "-1e300", "123456789012345678901234567890", "1e15", "0.1", "5e-324"])
def test_no_number_is_too_much(number: str) -> None:
    data = b'{"model":"m","seed":%s,"x":[%s]}' % (number.encode(), number.encode())
    assert fingerprint_of(data) == fingerprint_of(data)


@pytest.mark.parametrize(
    ("route", "fields", "may"),
    [
        (CHAT, {}, True),
        (CHAT, {"store": True}, True),
        (CHAT, {"tools": [TOOL]}, True),
        (RESPONSES, {}, True),
        (RESPONSES, {"store": True}, True),
        (RESPONSES, {"previous_response_id": "resp_1"}, True),
        (RESPONSES, {"background": True}, True),
        (RESPONSES, {"conversation": "conv_1"}, True),
        (RESPONSES, {"tools": [{"type": "web_search"}]}, True),
        (RESPONSES, {"tools": [{"type": "web_search"}, {"type": "mcp", "server_label": "s"}]}, False),
        (RESPONSES, {"tools": "mcp"}, True),
        (RESPONSES, {"tools": ["mcp"]}, True),
        (EMBEDDINGS, {"input": "x"}, True),
        (MODERATIONS, {"input": "x"}, True),
    ],
)
def test_an_answer_is_not_shared_where_asking_does_more_than_answer(
    route: Endpoint, fields: dict[str, Any], may: bool
) -> None:
    assert shareable(parse(route, json.dumps({"model": "m", **fields}).encode())) is may


LARGE = [{"role": "user", "content": "x" * LARGE_BYTES}]


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"user": "ada"}, True),
        ({"stream": True}, True),
        ({"temperature": 1}, True),
        ({"temperature": 0.5}, False),
        ({"messages": [*LARGE, *LARGE]}, False),
        ({"messages": [{"role": "user", "content": "y" * LARGE_BYTES}]}, False),
    ],
)
def test_a_large_call_is_told_apart_as_a_small_one_is(fields: dict[str, Any], same: bool) -> None:
    assert (request_body(messages=LARGE, temperature=1.0) == request_body(**{"messages": LARGE, **fields})) is same


def test_the_hash_of_a_large_value_is_not_taken_for_a_value() -> None:
    digest = hashlib.sha256(json.dumps(LARGE).encode()).hexdigest()
    filler = {"metadata": {"x": "y" * LARGE_BYTES}}
    assert request_body(messages=LARGE) != request_body(messages=digest, **filler)

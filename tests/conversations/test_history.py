"""A call that refers to stored items goes upstream as a stateless call, unchanged where possible."""

from typing import Any

import msgspec
import pytest

from tidegate.conversations import history
from tidegate.conversations.documents.items import encoded_upstream_items
from tidegate.core import endpoints
from tidegate.core.errors import ItemNotFound
from tidegate.wire.call import Call, parse

Json = dict[str, Any]
HELLO: Json = {"type": "message", "role": "user", "content": "Hello"}
STORED: Json = {"id": "msg_1", "status": "completed", **HELLO}


def response(model: str = "gpt-4o", **fields: Any) -> Call:
    return parse(endpoints.RESPONSES, msgspec.json.encode({"model": model, "input": "And now?", **fields}))


def sent(call: Call) -> Json:
    document: Json = msgspec.json.decode(call.upstream_body())
    return document


def test_the_first_turn_goes_as_it_came_but_for_what_is_ours() -> None:
    call = response(metadata={"a": "b"}, conversation="conv_1", background=True, store=True, x_unknown=1)
    changed = history.stateless_response(call, history=[], input_items=None)
    assert sent(changed) == {"model": "gpt-4o", "input": "And now?", "x_unknown": 1, "store": False}
    assert changed.raw["input"] == call.raw["input"]
    assert changed.body == sent(changed)


def test_a_later_turn_brings_what_was_said_before() -> None:
    call = response(previous_response_id="resp_1", instructions="Be brief.")
    changed = history.stateless_response(
        call,
        history=encoded_upstream_items(msgspec.json.encode(STORED)),
        input_items=[{"role": "user", "content": "And now?"}],
    )
    assert sent(changed)["input"] == [HELLO, {"role": "user", "content": "And now?"}]
    assert sent(changed)["instructions"] == "Be brief."
    assert changed.size > call.size


@pytest.mark.parametrize(
    ("model", "fields", "include"),
    [
        ("gpt-4o", {}, None),
        ("gpt-5-chat-latest", {}, None),
        ("gpt-5-mini", {}, ["reasoning.encrypted_content"]),
        ("openai/o3", {}, ["reasoning.encrypted_content"]),
        ("ft:o4-mini:me", {}, ["reasoning.encrypted_content"]),
        ("somebodys", {"reasoning": {"effort": "low"}}, ["reasoning.encrypted_content"]),
        ("o3", {"include": ["x"]}, ["x", "reasoning.encrypted_content"]),
        ("o3", {"include": ["reasoning.encrypted_content"]}, ["reasoning.encrypted_content"]),
    ],
)
def test_reasoning_models_are_asked_for_their_reasoning(model: str, fields: Json, include: list[str] | None) -> None:
    assert (
        sent(history.stateless_response(response(model, **fields), history=[], input_items=None)).get("include")
        == include
    )


def test_reasoning_that_led_to_nothing_is_left_out_of_the_past() -> None:
    sealed: Json = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    answer: Json = {"type": "message", "role": "assistant", "content": "Hi"}
    past = [HELLO, sealed, HELLO, sealed, answer, HELLO, sealed]
    encoded = [msgspec.json.encode(item) for item in past]
    changed = history.stateless_response(response("o3"), history=encoded, input_items=[HELLO])
    assert sent(changed)["input"] == changed.body["input"] == [HELLO, HELLO, sealed, answer, HELLO, HELLO]


def test_references_are_replaced_by_what_they_name() -> None:
    ours: Json = {"type": "reasoning", "id": f"rs_{'0' * 32}", "summary": []}
    full = {**ours, "encrypted_content": "x"}
    value = [
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
        ours,
        HELLO,
        {**ours, "encrypted_content": "y"},
    ]
    assert history.referenced_ids(value) == ["msg_1", "msg_1", ours["id"]]
    result = {"msg_1": STORED, ours["id"]: full}
    assert history.resolve_references(value, result) == [
        STORED,
        STORED,
        full,
        HELLO,
        {**ours, "encrypted_content": "y"},
    ]


def test_a_reference_to_nothing_is_refused_and_lost_reasoning_is_not() -> None:
    ours: Json = {"type": "reasoning", "id": f"rs_{'0' * 32}", "summary": []}
    assert history.resolve_references([ours], {}) == [ours]
    with pytest.raises(ItemNotFound) as refused:
        history.resolve_references([{"id": "msg_9"}], {})
    assert "msg_9" in refused.value.message


def test_a_completion_is_stored_nowhere_else() -> None:
    call = parse(endpoints.CHAT, b'{"model":"m","messages":[],"store":true,"metadata":{"a":"b"},"user":"ann"}')
    changed = history.stateless_chat(call)
    assert sent(changed) == {"model": "m", "messages": [], "user": "ann"}
    assert changed.end_user == "ann"

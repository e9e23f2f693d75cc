"""A connection remembers what nobody stored: enough to go on from, and no more than its bound."""

from typing import Any

import msgspec
import pytest

from tidegate.core.errors import InvalidParameter
from tidegate.web.websocket.response_cache import CONNECTION_DIVISOR, ConnectionResponses, UnstoredResponses, items_in
from tidegate.wire.socket import CreateMessage, read_message

Json = dict[str, Any]


def create(said: Any, **fields: Any) -> CreateMessage:
    made = read_message(msgspec.json.encode({"type": "response.create", "model": "m", "input": said, **fields}))
    assert isinstance(made, CreateMessage)
    return made


def answer(words: str, response_id: str = "resp_1") -> Json:
    part = {"type": "output_text", "text": words, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    thoughts = {"id": "rs_1", "type": "reasoning", "summary": []}
    return {"id": response_id, "status": "completed", "output": [thoughts, item]}


def compartment(most_bytes: int = 1000) -> ConnectionResponses:
    return UnstoredResponses(CONNECTION_DIVISOR * most_bytes).for_connection()


def texts(body: bytes | None) -> list[Any]:
    return [
        item["content"] if isinstance(item["content"], str) else item["content"][0]["text"]
        for item in msgspec.json.decode(body or b"")
    ]


def test_a_turn_goes_on_from_all_that_was_said() -> None:
    recent = compartment()
    first = create("I am Ada.")
    recent.remember(first, None, answer("Hello."))
    parent = recent.find("resp_1")
    assert parent is not None
    second = create([{"role": "user", "content": "Who am I?"}], previous_response_id="resp_1")
    fields = parent.request_fields(second)
    assert texts(fields["input"]) == ["I am Ada.", "Hello.", "Who am I?"]
    assert fields["previous_response_id"] is None
    recent.remember(second, parent, answer("Ada.", "resp_2"))
    latest = recent.find("resp_2")
    assert latest is not None
    assert texts(latest.request_fields(create("Thanks."))["input"]) == [
        "I am Ada.",
        "Hello.",
        "Who am I?",
        "Ada.",
        "Thanks.",
    ]


def test_what_the_upstream_would_look_for_is_not_given_back() -> None:
    recent = compartment()
    recent.remember(create("x"), None, answer("y"))
    parent = recent.find("resp_1")
    assert parent is not None
    items = msgspec.json.decode(b"[" + b",".join(parent.items) + b"]")
    assert [item.get("id") for item in items] == [None, None]


def test_a_stored_response_is_named_and_not_repeated() -> None:
    recent = compartment()
    recent.remember(create("and then?", previous_response_id="resp_stored"), None, answer("this."))
    parent = recent.find("resp_1")
    assert parent is not None
    fields = parent.request_fields(create("and then?", previous_response_id="resp_1"))
    assert msgspec.json.decode(fields["previous_response_id"] or b"") == "resp_stored"
    assert texts(fields["input"]) == ["and then?", "this.", "and then?"]


def test_the_oldest_is_forgotten_first_and_what_is_too_large_at_once() -> None:
    recent = compartment(400)
    for number in range(5):
        recent.remember(create("x" * 50), None, answer("y" * 50, f"resp_{number}"))
    assert [number for number in range(5) if recent.find(f"resp_{number}")] == [4]
    recent.remember(create("x" * 5000), None, answer("y", "resp_large"))
    assert recent.find("resp_large") is None
    assert recent.find("resp_4") is not None


def test_all_connections_share_one_bound_and_none_knows_anothers() -> None:
    responses = UnstoredResponses(1000)
    all_of_them = [responses.for_connection() for _ in range(8)]
    for recent in all_of_them:
        recent.remember(create("x" * 50), None, answer("y" * 50))
    assert all_of_them[0].find("resp_1") is None
    assert all_of_them[-1].find("resp_1") is not None
    for recent in all_of_them:
        recent.close()
    assert repr(responses) == "<UnstoredResponses: 0 responses, 0 bytes>"
    responses.for_connection().remember(create("mine"), None, answer("yours"))
    assert responses.for_connection().find("resp_1") is None


def test_forgetting() -> None:
    recent = compartment()
    recent.remember(create("x"), None, answer("y"))
    recent.forget("resp_1")
    recent.forget("resp_1")
    assert recent.find("resp_1") is None
    assert recent.find(None) is None


def test_an_input_of_any_form_is_items() -> None:
    assert items_in(create(None)) == []
    assert [msgspec.json.decode(item)["role"] for item in items_in(create("hi"))] == ["user"]
    assert items_in(create([{"a": 1}])) == [b'{"a":1}']
    with pytest.raises(InvalidParameter):
        items_in(create({"a": 1}))

"""A client's WebSocket message is decoded once, hostile or not; an event is sent to its stream."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import BodyNotAnObject, BodyNotJson, InvalidParameter, InvalidStreamId, TidegateError
from tidegate.wire import sse
from tidegate.wire.socket import CreateMessage, SteerMessage, document_frame, event_frame, read_message, stream_id_in


def create(**fields: Any) -> CreateMessage:
    message = read_message(msgspec.json.encode({"type": "response.create", "model": "m", **fields}))
    assert isinstance(message, CreateMessage)
    return message


def test_a_request_is_what_http_would_have_carried() -> None:
    message = create(input="hi", stream=False, background=True, stream_id="a", generate=True, new=[1.50])
    assert msgspec.json.decode(message.body()) == {"model": "m", "input": "hi", "new": [1.5], "stream": True}
    assert b"1.50" not in message.body()  # as `json.dumps` wrote it
    assert (message.stream_id, message.previous_response_id, message.store, message.generate) == ("a", None, True, True)


def test_fields_are_changed_or_left_out() -> None:
    message = create(input="hi", previous_response_id="resp_1", store=False)
    changed = msgspec.json.decode(message.body(input=b"[]", previous_response_id=None))
    assert changed == {"model": "m", "input": [], "store": False, "stream": True}
    assert (message.previous_response_id, message.store) == ("resp_1", False)


def test_steering() -> None:
    message = read_message(b'{"type":"response.steer","previous_response_id":"resp_1","input":["x"]}')
    assert message == SteerMessage(input=["x"], previous_response_id="resp_1")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", BodyNotJson),
        (b"{", BodyNotJson),
        (b"\xff", BodyNotJson),
        (b'{"a":' * 100_000, BodyNotJson),
        (b"[]", BodyNotAnObject),
        (b'"hi"', BodyNotAnObject),
        (b"{}", InvalidParameter),
        (b'{"type":"response.cancel"}', InvalidParameter),
        (b'{"type":["response.create"]}', InvalidParameter),
        (b'{"type":"response.create","stream_id":""}', InvalidStreamId),
        (b'{"type":"response.create","stream_id":7}', InvalidStreamId),
        (b'{"type":"response.create","stream_id":"\xc3\xa9"}', InvalidStreamId),
        (b'{"type":"response.create","stream_id":"' + b"a" * 257 + b'"}', InvalidStreamId),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_own_error(message: bytes, error: type[TidegateError]) -> None:
    with pytest.raises(error):
        read_message(message)


@given(st.binary(max_size=60))
def test_nothing_that_comes_breaks_the_reader(message: bytes) -> None:
    with pytest.raises(TidegateError):
        read_message(message)
    assert stream_id_in(message) is None


@pytest.mark.parametrize(
    ("message", "stream_id"),
    [
        (b'{"type":"?","stream_id":"a.b-c_1"}', "a.b-c_1"),
        (b'{"type":"?","stream_id":"a b"}', None),
        (b'{"type":"?","stream_id":7}', None),
        (b'{"type":"?"}', None),
        (b"{", None),
    ],
)
def test_an_error_goes_where_its_message_belonged(message: bytes, stream_id: str | None) -> None:
    assert stream_id_in(message) == stream_id


@pytest.mark.parametrize("stream_id", [None, "a.b"])
def test_an_event_becomes_a_frame(stream_id: str | None) -> None:
    event = {"type": "response.created", "response": {"id": "é"}}
    frame = event_frame(sse.encode(msgspec.json.encode(event), "response.created"), stream_id)
    named = event if stream_id is None else {**event, "stream_id": stream_id}
    assert msgspec.json.decode(frame or "") == named
    assert msgspec.json.decode(document_frame(event, stream_id)) == named


@pytest.mark.parametrize("event", [sse.PING + b"\n", sse.DONE])
def test_what_only_server_sent_events_have_becomes_none(event: bytes) -> None:
    assert event_frame(event, "a") is None


def test_a_large_message_becomes_a_body_in_steps() -> None:
    text = "x" * (5 * 1024 * 1024)
    message = create(input=text, instructions="hi")
    steps = message.body_in_steps({"instructions": b'"ho"'})
    taken = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            body = end.value
            break
        taken += 1
    assert taken >= 5, "a step copies a megabyte"
    assert msgspec.json.decode(body) == {"model": "m", "input": text, "instructions": "ho", "stream": True}

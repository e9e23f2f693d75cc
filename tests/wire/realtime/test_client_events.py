"""What a client's event says is read once, and what is forwarded is what was read."""

from typing import Any

import msgspec
import pytest

from tidegate.core.errors import BodyNotAnObject, BodyNotJson, InvalidParameter, TidegateError
from tidegate.wire.realtime.client_events import read_client_event

SPOKEN = {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}


def read(**fields: Any) -> Any:
    return read_client_event(msgspec.json.encode(fields))


@pytest.mark.parametrize(
    ("fields", "models"),
    [
        ({"type": "session.update", "session": {"model": "gpt-realtime"}}, ("gpt-realtime",)),
        ({"type": "session.update", "session": SPOKEN}, ("gpt-4o-transcribe",)),
        ({"type": "session.update", "session": {"tools": [{"parameters": {"model": "a text"}}]}}, ()),
        ({"type": "transcription_session.update", "session": {"input_audio_transcription": {"model": "a"}}}, ("a",)),
        ({"type": "conversation.item.create", "item": {"model": "a text"}}, ()),
    ],
)
def test_the_models_of_a_session_are_found_wherever_they_stand(fields: Any, models: tuple[str, ...]) -> None:
    assert read(**fields).models == models


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_output_tokens": 20}, 20),
        ({"max_output_tokens": "inf"}, None),
        ({"max_output_tokens": True}, None),
        ({}, None),
    ],
)
def test_a_response_may_have_a_limit_of_its_own(fields: Any, limit: int | None) -> None:
    assert read(type="response.create", response=fields).max_output_tokens == limit


@pytest.mark.parametrize("more", [{}, {"other": 1}])
def test_audio_is_counted_and_forwarded(more: Any) -> None:
    event = read(type="input_audio_buffer.append", audio="AAAA", event_id="e1", **more)
    assert (event.audio_chars, event.event_id) == (4, "e1")
    assert msgspec.json.decode(event.frame)["audio"] == "AAAA"


def test_audio_of_an_item_is_counted_too() -> None:
    item = {"type": "message", "content": [{"type": "input_audio", "audio": "AAAAAAAA"}, {"type": "input_text"}]}
    assert read(type="conversation.item.create", item=item).audio_chars == 8


def test_a_field_that_stands_twice_is_forwarded_once() -> None:
    event = read_client_event(b'{"type":"response.create","type":"input_audio_buffer.clear"}')
    assert event.type == "input_audio_buffer.clear"
    assert event.frame == '{"type":"input_audio_buffer.clear"}'


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", BodyNotJson),
        (b"{", BodyNotJson),
        (b"\xff", BodyNotJson),
        (b"[]", BodyNotAnObject),
        (b"{}", InvalidParameter),
        (b'{"type":1}', InvalidParameter),
        (b'{"type":"' + b"x" * 129 + b'"}', InvalidParameter),
        (b'{"type":"a","b":' + b"[" * 100_000 + b"]" * 100_000 + b"}", BodyNotJson),
    ],
)
def test_what_is_no_event_is_refused(data: bytes, error: type[TidegateError]) -> None:
    with pytest.raises(error):
        read_client_event(data)

"""What the upstream's events say to the gateway; what is no event says nothing."""

from typing import Any

import msgspec
import pytest

from tidegate.wire.realtime.server_events import ServerEvent, ServerEventKind, read_server_event


def read(**fields: Any) -> ServerEvent:
    return read_server_event(msgspec.json.encode(fields))


def test_a_session_states_its_models_its_limit_and_its_audio() -> None:
    spoken = {"format": {"type": "audio/pcmu"}, "transcription": {"model": "whisper-1"}}
    event = read(
        type="session.updated",
        session={"model": "gpt-realtime-2025-08-28", "max_output_tokens": 200, "audio": {"input": spoken}},
    )
    assert (event.kind, event.model, event.transcription_model) == (
        ServerEventKind.SESSION, "gpt-realtime-2025-08-28", "whisper-1",
    )  # fmt: skip
    assert (event.max_output_tokens, event.is_narrow_audio) == (200, True)


def test_so_does_a_session_of_the_earlier_form() -> None:
    event = read(
        type="session.created",
        session={"model": "gpt-4o-realtime", "max_response_output_tokens": "inf",
                 "input_audio_format": "g711_ulaw", "input_audio_transcription": {"model": "whisper-1"}},
    )  # fmt: skip
    assert (event.transcription_model, event.max_output_tokens, event.is_narrow_audio) == ("whisper-1", None, True)


def test_a_response_ends_with_its_usage() -> None:
    event = read(type="response.done", response={"id": "resp_1", "status": "completed", "usage": {"input_tokens": 3}})
    assert (event.kind, event.id, event.status) == (ServerEventKind.RESPONSE_DONE, "resp_1", "completed")
    assert event.usage == b'{"input_tokens":3}'


@pytest.mark.parametrize("usage", [None, 7, "text", []])
def test_a_usage_that_is_no_object_is_none(usage: Any) -> None:
    assert read(type="response.done", response={"id": "resp_1", "usage": usage}).usage is None


@pytest.mark.parametrize(
    ("kind", "is_audio"),
    [
        ("response.output_audio.delta", True),
        ("response.audio.delta", True),
        ("response.output_audio_transcript.delta", False),
        ("response.output_text.delta", False),
        ("response.function_call_arguments.delta", False),
    ],
)
def test_a_delta_has_a_length_and_a_kind(kind: str, is_audio: bool) -> None:
    event = read(type=kind, response_id="resp_1", delta="AAAA")
    assert (event.kind, event.id, event.chars) == (ServerEventKind.RESPONSE_DELTA, "resp_1", 4)
    assert event.is_audio is is_audio


def test_a_transcription_is_named_by_its_item_and_part() -> None:
    kind = "conversation.item.input_audio_transcription.completed"
    event = read(type=kind, item_id="item_1", content_index=2, usage={"type": "duration", "seconds": 1.5})
    assert (event.kind, event.id) == (ServerEventKind.TRANSCRIBED, "item_1-2")


def test_an_error_names_the_clients_event() -> None:
    assert read(type="error", error={"event_id": "e1"}).id == "e1"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"no json", b"[]", b"{}", b'{"type":7}', b'{"type":"response.done"}', b'{"type":"error"}',
        b'{"type":"response.done","response":[]}', b'{"type":"session.created","session":7}',
        b'{"type":"rate_limits.updated"}',
    ],
)  # fmt: skip
def test_anything_else_says_nothing(data: bytes) -> None:
    assert read_server_event(data).kind is ServerEventKind.OTHER

"""The events of a Realtime session that clients send: what each may cost, and its text as it is forwarded.

An event is decoded once and written anew. So the upstream reads what was checked here, also where a field stands twice.
Source: OpenAI's API reference, "Realtime client events".
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from tidegate.core.errors import BodyNotAnObject, BodyNotJson, InvalidParameter

APPEND_AUDIO = "input_audio_buffer.append"
CREATE_RESPONSE = "response.create"
UPDATES = frozenset({"session.update", "transcription_session.update"})
"""The events that change the session, and so its models."""
STARTS_WORK = frozenset(
    {CREATE_RESPONSE, APPEND_AUDIO, "input_audio_buffer.commit", "session.input_audio_buffer.append"}
)
"""The events after which a model works: at once, or when it has heard that the speaker stopped."""

_NO_MODELS = frozenset({"tools", "metadata", "instructions"})
"""Fields in which callers write names of their own."""
_MAX_TYPE_CHARS = 128


class ClientEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a client."""

    type: str
    event_id: str | None = None
    """The client's own name for it, which an error repeats."""
    frame: str
    """Its text, as it is forwarded."""
    models: tuple[str, ...] = ()
    """The models that it names: of the session, and of the transcription of what is spoken."""
    max_output_tokens: int | None = None
    """The limit that it sets for one response."""
    audio_chars: int = 0
    """The length of its audio, in base64."""


class _Append(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The most frequent event by far. Its type differs in sessions that translate."""

    type: Literal["input_audio_buffer.append", "session.input_audio_buffer.append"]
    audio: str
    event_id: str | None = None


_append_decoder = msgspec.json.Decoder(_Append)
_decoder = msgspec.json.Decoder(dict[str, Any])


def read_client_event(data: bytes) -> ClientEvent:
    """Decode an event. Raises BodyNotJson, BodyNotAnObject or InvalidParameter."""
    if b"input_audio_buffer.append" in data:
        try:
            append = _append_decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):  # it has other fields: below
            pass
        else:
            frame = msgspec.json.encode(append).decode()
            return ClientEvent(type=append.type, event_id=append.event_id, frame=frame, audio_chars=len(append.audio))
    return _read_any(data)


def _read_any(data: bytes) -> ClientEvent:
    fields = _decode(data)
    kind, event_id = fields.get("type"), fields.get("event_id")
    if not isinstance(kind, str) or not 0 < len(kind) <= _MAX_TYPE_CHARS:
        raise InvalidParameter("The event was not forwarded: its `type` must be the name of an event.", param="type")
    return ClientEvent(
        type=kind,
        event_id=event_id if isinstance(event_id, str) else None,
        frame=msgspec.json.encode(fields).decode(),
        models=tuple(dict.fromkeys(_models(fields))) if kind in UPDATES or kind == CREATE_RESPONSE else (),
        max_output_tokens=_output_limit(fields.get("response")) if kind == CREATE_RESPONSE else None,
        audio_chars=sum(map(len, _audio(fields))),
    )


def _decode(data: bytes) -> dict[str, Any]:
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise BodyNotAnObject("The event was not forwarded: it must be a JSON object.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyNotJson(f"The event was not forwarded: it is not JSON ({error}).") from error


def _models(value: Any) -> Iterator[str]:
    """Yield each text named `model`, at any depth. The decoder bounds the depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "model" and isinstance(inner, str):
                yield inner
            elif name not in _NO_MODELS:
                yield from _models(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _models(inner)


def _audio(fields: dict[str, Any]) -> Iterator[str]:
    """Yield the audio of an event, and that of the item that it adds."""
    item = fields.get("item")
    content = item.get("content") if isinstance(item, dict) else None
    for part in (fields, *(content if isinstance(content, list) else ())):
        audio = part.get("audio") if isinstance(part, dict) else None
        if isinstance(audio, str):
            yield audio


def _output_limit(response: Any) -> int | None:
    if not isinstance(response, dict):
        return None
    for name in ("max_output_tokens", "max_response_output_tokens"):
        value = response.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None

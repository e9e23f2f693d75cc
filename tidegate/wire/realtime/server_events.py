"""The events of a Realtime session that the upstream sends: what the gateway reads of them to meter the session.

Reading never raises: what is no event is forwarded, and says nothing. Source: OpenAI's API reference, "Realtime server
events".
"""

from enum import Enum
from typing import Any

import msgspec


class ServerEventKind(Enum):
    """What an event means to the gateway."""

    SESSION = "session"
    """It states the session's settings."""
    RESPONSE_BEGAN = "response_began"
    RESPONSE_DELTA = "response_delta"
    """A part of a response's output."""
    RESPONSE_DONE = "response_done"
    TRANSCRIBED = "transcribed"
    """What was spoken is written down, by a model of its own."""
    ERROR = "error"
    OTHER = "other"


class ServerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the upstream."""

    kind: ServerEventKind
    id: str = ""
    """Of the response, or of the item that was transcribed; for an error that of the client's event."""
    is_audio: bool = False
    """Whether a delta is audio."""
    chars: int = 0
    """The length of a delta, of audio in base64."""
    status: str = ""
    """How a response ended."""
    usage: bytes | None = None
    """The JSON of the usage; None where none is stated."""
    model: str | None = None
    transcription_model: str | None = None
    max_output_tokens: int | None = None
    """The session's limit for a response; None where it has none, and for other events."""
    settings_bytes: int = 0
    """The length of the session's instructions and tools."""
    is_narrow_audio: bool = False
    """Whether the input has 8,000 bytes a second (G.711), and not 48,000 (PCM)."""


_OTHER = ServerEvent(kind=ServerEventKind.OTHER)
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_SESSIONS = frozenset(
    f"{session}.{end}" for session in ("session", "transcription_session") for end in ("created", "updated")
)
_NOTHING = msgspec.Raw(b"null")
_MAX_ID_CHARS = 128


class _Event(msgspec.Struct):
    type: Any = None
    response_id: Any = None
    item_id: Any = None
    content_index: Any = None
    delta: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING
    session: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING
    usage: msgspec.Raw = _NOTHING


class _Response(msgspec.Struct):
    id: Any = None
    status: Any = None
    usage: msgspec.Raw = _NOTHING


_event_decoder = msgspec.json.Decoder(_Event)
_response_decoder = msgspec.json.Decoder(_Response)
_object_decoder = msgspec.json.Decoder(dict[str, Any])


def read_server_event(data: bytes) -> ServerEvent:
    """Return what an event says."""
    try:
        event = _event_decoder.decode(data)
        return _read(event, event.type) if isinstance(event.type, str) else _OTHER
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _OTHER


def _read(event: _Event, kind: str) -> ServerEvent:
    if kind.startswith("response.") and kind.endswith(".delta"):
        return ServerEvent(
            kind=ServerEventKind.RESPONSE_DELTA,
            id=_text(event.response_id),
            is_audio=kind in ("response.output_audio.delta", "response.audio.delta"),
            chars=max(0, memoryview(event.delta).nbytes - 2),
        )
    if kind in ("response.created", "response.done"):
        return _read_response(kind, _response_decoder.decode(event.response))
    if kind == _TRANSCRIBED:
        index = event.content_index if isinstance(event.content_index, int) else 0
        item = f"{_text(event.item_id)}-{index}"
        return ServerEvent(kind=ServerEventKind.TRANSCRIBED, id=item, usage=_object(event.usage))
    if kind in _SESSIONS:
        return _read_session(_object_decoder.decode(event.session))
    if kind == "error":
        return ServerEvent(kind=ServerEventKind.ERROR, id=_text(_object_decoder.decode(event.error).get("event_id")))
    return _OTHER


def _read_response(kind: str, response: _Response) -> ServerEvent:
    is_done = kind == "response.done"
    return ServerEvent(
        kind=ServerEventKind.RESPONSE_DONE if is_done else ServerEventKind.RESPONSE_BEGAN,
        id=_text(response.id),
        status=_text(response.status),
        usage=_object(response.usage) if is_done else None,
    )


def _read_session(session: dict[str, Any]) -> ServerEvent:
    """Read the settings, which stood elsewhere before Realtime was generally available."""
    spoken = _inner(_inner(session, "audio"), "input")
    transcription = _inner(spoken, "transcription") or _inner(session, "input_audio_transcription")
    limit = session.get("max_output_tokens", session.get("max_response_output_tokens"))
    audio_format = spoken.get("format") or session.get("input_audio_format")
    name = audio_format.get("type") if isinstance(audio_format, dict) else audio_format
    return ServerEvent(
        kind=ServerEventKind.SESSION,
        model=_text(session.get("model")) or None,
        transcription_model=_text(transcription.get("model")) or None,
        settings_bytes=len(msgspec.json.encode([session.get("instructions"), session.get("tools")])),
        max_output_tokens=limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None,
        is_narrow_audio=isinstance(name, str) and ("pcmu" in name or "pcma" in name or name.startswith("g711")),
    )


def _inner(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _text(value: Any) -> str:
    return value[:_MAX_ID_CHARS] if isinstance(value, str) else ""


def _object(raw: msgspec.Raw) -> bytes | None:
    data = bytes(raw)
    return data if data[:1] == b"{" else None

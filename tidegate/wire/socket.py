"""The messages on a Responses WebSocket: what clients send, and how an event goes to its stream.

Source: OpenAI's API reference, "Responses client events" and "Responses server events".
"""

import re
from typing import Any

import msgspec

from tidegate.core.errors import BodyNotAnObject, BodyNotJson, InvalidParameter, InvalidStreamId
from tidegate.wire import sse

Json = dict[str, Any]

_STREAM_ID = re.compile(r"[A-Za-z0-9_.-]{1,256}", re.ASCII)
_NOT_OF_THE_REQUEST = frozenset({"type", "stream_id", "generate", "stream", "background"})
"""Fields that say how to answer on a socket; of the last two it knows nothing."""


class CreateMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A client's `response.create`."""

    stream_id: str | None
    """Which of the connection's streams it belongs to; None for the one without a name."""
    fields: dict[str, msgspec.Raw]
    """The request, each field as the bytes it came in as."""
    previous_response_id: str | None
    """The response it goes on from."""
    store: bool
    model: str = ""
    reasoning: bool = False
    """It says how to reason."""
    include: tuple[str, ...] = ()
    """The parts of the answer that it asks for."""
    generate: bool
    """False: only prepare, say nothing."""
    size: int
    """Bytes, as it came."""

    def body(self, **changes: bytes | None) -> bytes:
        """The request as a streamed call has it, these fields changed, or left out where they are None."""
        raw = {name: msgspec.Raw(value) for name, value in changes.items() if value is not None}
        kept = {name: value for name, value in self.fields.items() if name not in changes}
        return msgspec.json.encode({**kept, **raw, "stream": msgspec.Raw(b"true")})


class SteerMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A client's `response.steer`."""

    input: Any
    previous_response_id: Any


class _ClientMessage(msgspec.Struct, kw_only=True):
    type: Any = None
    stream_id: Any = None
    previous_response_id: Any = None
    store: Any = None
    generate: Any = None
    model: Any = None
    reasoning: Any = None
    include: Any = None
    input: msgspec.Raw = msgspec.Raw(b"null")


_said = msgspec.json.Decoder(_ClientMessage)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_message(message: bytes) -> CreateMessage | SteerMessage:
    """A client's message. Raises BodyNotJson, BodyNotAnObject, InvalidParameter or InvalidStreamId."""
    said = _decoded(_said, message)
    if said.type == "response.steer":
        return SteerMessage(input=msgspec.json.decode(said.input), previous_response_id=said.previous_response_id)
    if said.type != "response.create":
        raise InvalidParameter("`type` must be `response.create` or `response.steer`.", param="type")
    fields = _decoded(_fields, message)
    return CreateMessage(
        stream_id=_stream_id(said.stream_id),
        fields={name: value for name, value in fields.items() if name not in _NOT_OF_THE_REQUEST},
        previous_response_id=said.previous_response_id if isinstance(said.previous_response_id, str) else None,
        store=said.store is not False,
        model=said.model if isinstance(said.model, str) else "",
        reasoning=bool(said.reasoning),
        include=tuple(name for name in said.include if isinstance(name, str)) if isinstance(said.include, list) else (),
        generate=said.generate is not False,
        size=len(message),
    )


def stream_id_in(message: bytes) -> str | None:
    """The stream a message names, where it can be made out: its error goes there."""
    try:
        name = _said.decode(message).stream_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return name if isinstance(name, str) and _STREAM_ID.fullmatch(name) else None


def event_frame(event: bytes, stream_id: str | None) -> str | None:
    """An event of a stream as a text frame; None for one that only server-sent events have."""
    data = sse.data_of(event)
    if data is None or data[:1] != b"{":
        return None
    return _named(data, stream_id).decode(errors="replace")


def document_frame(document: Json, stream_id: str | None) -> str:
    """An event of our own as a text frame."""
    return _named(msgspec.json.encode(document), stream_id).decode()


def _named(data: bytes, stream_id: str | None) -> bytes:
    if stream_id is None:
        return data
    return data.rstrip()[:-1] + b',"stream_id":"' + stream_id.encode() + b'"}'  # it needs no escapes


def _stream_id(given: Any) -> str | None:
    if given is None:
        return None
    if isinstance(given, str) and _STREAM_ID.fullmatch(given):
        return given
    raise InvalidStreamId(param="stream_id")


def _decoded(decoder: "msgspec.json.Decoder[Any]", message: bytes) -> Any:
    try:
        return decoder.decode(message)
    except msgspec.ValidationError as error:
        raise BodyNotAnObject from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyNotJson(f"We could not parse the message as JSON: {error}.") from error
    except RecursionError as error:
        raise BodyNotJson("The message is nested too deeply.") from error

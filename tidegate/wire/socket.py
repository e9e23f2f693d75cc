"""The messages on a Responses WebSocket: decode those of clients, encode events as frames.

Source: OpenAI's API reference, "Responses client events" and "Responses server events".
"""

import io
import re
from collections.abc import Generator, Mapping
from typing import Any

import msgspec

from tidegate.core.errors import BodyNotAnObject, BodyNotJson, InvalidParameter, InvalidStreamId
from tidegate.core.process.heavy_turns import at_once
from tidegate.wire import sse

Json = dict[str, Any]

_STEP_BYTES = 1024 * 1024
_STREAM_ID = re.compile(r"[A-Za-z0-9_.-]{1,256}", re.ASCII)
_NOT_IN_THE_REQUEST = frozenset({"type", "stream_id", "generate", "stream", "background"})
"""Fields that are not part of the request; the last two have no effect on a WebSocket."""


class CreateMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A client's `response.create`."""

    stream_id: str | None
    """The stream of the connection that it belongs to; None for the unnamed one."""
    fields: dict[str, msgspec.Raw]
    """The request, each field as the bytes that the client sent."""
    previous_response_id: str | None
    """The response that it continues."""
    store: bool
    model: str = ""
    reasoning: bool = False
    """Whether it has a `reasoning` parameter."""
    include: tuple[str, ...] = ()
    """The additional output that it requests."""
    generate: bool
    """False: only prepare, generate nothing."""
    size: int
    """Size of the message in bytes, as received."""

    def body(self, **changes: bytes | None) -> bytes:
        """Return the request as the body of a streamed call, with `changes`; None removes a field."""
        return at_once(self.body_in_steps(changes))

    def body_in_steps(self, changes: Mapping[str, bytes | None]) -> Generator[None, None, bytes]:
        """Return the same; a step copies a megabyte."""
        fields: dict[str, msgspec.Raw | bytes] = {n: raw for n, raw in self.fields.items() if n not in changes}
        fields |= {name: value for name, value in changes.items() if value is not None}
        body = io.BytesIO()
        for name, value in fields.items():
            body.write(b"," if body.tell() else b"{")
            body.write(msgspec.json.encode(name) + b":")
            written = memoryview(value)
            for start in range(0, written.nbytes, _STEP_BYTES):
                body.write(written[start : start + _STEP_BYTES])
                if start:
                    yield
        body.write(b',"stream":true}' if body.tell() else b'{"stream":true}')
        return body.getvalue()


class SteerMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A client's `response.steer`."""

    input: Any
    previous_response_id: Any


class _StreamMessage(msgspec.Struct):
    stream_id: Any = None


_stream_decoder = msgspec.json.Decoder(_StreamMessage)
_value_decoder = msgspec.json.Decoder()
_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_message(message: bytes) -> CreateMessage | SteerMessage:
    """Decode a client's message. Raises BodyNotJson, BodyNotAnObject, InvalidParameter or InvalidStreamId."""
    fields: dict[str, msgspec.Raw] = _decode(_fields_decoder, message)

    def value(name: str) -> Any:
        return _decode(_value_decoder, fields[name]) if name in fields else None

    kind, previous = value("type"), value("previous_response_id")
    if kind == "response.steer":
        return SteerMessage(input=value("input"), previous_response_id=previous)
    if kind != "response.create":
        raise InvalidParameter("`type` must be `response.create` or `response.steer`.", param="type")
    include, model = value("include"), value("model")
    return CreateMessage(
        stream_id=_stream_id(value("stream_id")),
        fields={name: field for name, field in fields.items() if name not in _NOT_IN_THE_REQUEST},
        previous_response_id=previous if isinstance(previous, str) else None,
        store=value("store") is not False,
        model=model if isinstance(model, str) else "",
        reasoning=bool(value("reasoning")),
        include=tuple(name for name in include if isinstance(name, str)) if isinstance(include, list) else (),
        generate=value("generate") is not False,
        size=len(message),
    )


def stream_id_in(message: bytes) -> str | None:
    """Return the stream that a message names, if it can be decoded: the message's error goes to that stream."""
    try:
        name = _stream_decoder.decode(message).stream_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return name if isinstance(name, str) and _STREAM_ID.fullmatch(name) else None


def event_frame(event: bytes, stream_id: str | None) -> str | None:
    """Return an event of a stream as a text frame; None for events that exist in server-sent events only."""
    data = sse.data_of(event)
    if data is None or data[:1] != b"{":
        return None
    return _with_stream_id(data, stream_id).decode(errors="replace")


def document_frame(document: Json, stream_id: str | None) -> str:
    """Return an event of the gateway's own as a text frame."""
    return _with_stream_id(msgspec.json.encode(document), stream_id).decode()


def _with_stream_id(data: bytes, stream_id: str | None) -> bytes:
    if stream_id is None:
        return data
    return data.rstrip()[:-1] + b',"stream_id":"' + stream_id.encode() + b'"}'  # its characters need no escaping


def _stream_id(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and _STREAM_ID.fullmatch(value):
        return value
    raise InvalidStreamId(param="stream_id")


def _decode(decoder: "msgspec.json.Decoder[Any]", message: bytes) -> Any:
    try:
        return decoder.decode(message)
    except msgspec.ValidationError as error:
        raise BodyNotAnObject from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyNotJson(f"We could not parse the message as JSON: {error}.") from error
    except RecursionError as error:
        raise BodyNotJson("The message is nested too deeply.") from error

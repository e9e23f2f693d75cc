"""Observe an answer as it passes: its end, its errors and its usage, with as little decoding as possible."""

import re
from enum import Enum, auto
from typing import Any, ClassVar

import msgspec

from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import MalformedAnswer, TruncatedAnswer
from tidegate.wire import sse

_NULL = msgspec.Raw(b"null")


class EventKind(Enum):
    """What an event means for its forwarding."""

    ORDINARY = auto()
    """Forward it."""
    TERMINAL = auto()
    """The terminal event of a complete answer; hold it back until the call is settled."""
    ERROR = auto()
    """The upstream reports a failure."""
    COMMENT = auto()
    """A comment; not forwarded, because the gateway sends heartbeats of its own."""


class _ObservedChoice(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None


class _ObservedChunk(msgspec.Struct):
    choices: list[_ObservedChoice] = []
    usage: msgspec.Raw = _NULL
    model: str | None = None
    service_tier: str | None = None
    error: msgspec.Raw = _NULL
    message: msgspec.Raw = _NULL
    detail: msgspec.Raw = _NULL

    def is_error(self) -> bool:
        """Whether this is an error without its envelope, in place of an answer."""
        return _present(self.message) or _present(self.detail)


class _FirstDelta(msgspec.Struct):
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None


class _FirstChunk(msgspec.Struct):
    """One of the first chunks, decoded to find out whether it has content."""

    choices: list[_FirstDelta] = []


class _ObservedEvent(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    message: msgspec.Raw = _NULL

    def is_error(self) -> bool:
        """Whether this is an error, with or without its envelope."""
        return self.type == "error" or _present(self.error) or (not self.type and _present(self.message))


class _ObservedAnswer(_ObservedChunk):
    """The body of an answer of any endpoint, or the Response inside an event."""

    status: str | None = None
    incomplete_details: dict[str, Any] | None = None
    output: msgspec.Raw = _NULL
    data: msgspec.Raw = _NULL
    results: msgspec.Raw = _NULL


TERMINAL_TYPES = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_TERMINAL_BYTES = tuple(kind.encode() for kind in TERMINAL_TYPES)
_BEFORE_CONTENT = ("response.output_item.added", "response.content_part.added")
"""Events that announce content and have none; events with a Response in them have none either."""
_NO_CHOICE = re.compile(rb'"choices"\s*:\s*\[\s*\]')
"""Cannot match within a text, where quotes are escaped."""
_chunk = msgspec.json.Decoder(_ObservedChunk)
_opening = msgspec.json.Decoder(_FirstChunk)
_event = msgspec.json.Decoder(_ObservedEvent)
_answer = msgspec.json.Decoder(_ObservedAnswer)
_any = msgspec.json.Decoder()


class StreamObserver:
    """The state of one answer as observed so far."""

    usage: bytes | None = None
    """The JSON of the upstream's usage object."""
    model: str | None = None
    """The model that answered."""
    service_tier: str | None = None
    """The service tier that answered."""
    error: Any = None
    """The decoded error object, after an ERROR."""
    is_complete = False
    """Whether the answer has reached its end."""
    has_content = False
    """Whether content, or the end, has passed; earlier events only say that the call was accepted."""
    storable = True
    """False for answers that must not be reused although complete: content-filtered, failed, cancelled."""
    expected_field: ClassVar[str] = "data"
    """What every valid body contains; for the error message."""

    def observe(self, event: bytes) -> EventKind:  # noqa: ARG002  # the signature of all observers
        """Observe one event of a stream. Raises MalformedAnswer."""
        raise MalformedAnswer("The upstream sent a stream where OpenAI sends none.")

    def may_end(self) -> bool:
        """Whether the stream may end here without its terminal event."""
        return self.is_complete

    def observe_body(self, body: bytes) -> EventKind:
        """Observe an answer that came as one body. Raises MalformedAnswer."""
        answer = _decode(_answer, body)
        if _present(answer.error):
            self.error = _any.decode(answer.error)
            if answer.status is None:
                return EventKind.ERROR
        elif not self._is_answer(answer):
            if not answer.is_error():
                raise MalformedAnswer(f"The upstream's answer has no {self.expected_field}.")
            self.error = _any.decode(body)
            return EventKind.ERROR
        self._complete(answer)
        return EventKind.TERMINAL

    def _is_answer(self, answer: _ObservedAnswer) -> bool:
        return _present(answer.data) or _present(answer.results)

    def _complete(self, answer: _ObservedAnswer) -> None:
        self._record(answer)
        self.is_complete = True
        self.storable = self.error is None and self._succeeded(answer)

    def _succeeded(self, answer: _ObservedAnswer) -> bool:
        return _finished(answer.status, answer.incomplete_details)

    def _record(self, answer: _ObservedChunk) -> None:
        if _present(answer.usage):
            self.usage = bytes(answer.usage)
        self.model = answer.model or self.model
        self.service_tier = answer.service_tier or self.service_tier


class ChatObserver(StreamObserver):
    """Observes a chat stream: chunks, a finish reason for each choice, a usage chunk, `[DONE]`."""

    expected_field = "choice"

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._finished: set[int] = set()

    def observe(self, event: bytes) -> EventKind:
        """Observe one event. Raises MalformedAnswer and TruncatedAnswer."""
        data = sse.data_of(event)
        if data is None:
            return EventKind.COMMENT
        if sse.is_done(event):
            return self._end()
        chunk = _decode(_chunk, data)
        if _present(chunk.error) or (not chunk.choices and chunk.is_error()):
            self.error = _any.decode(chunk.error if _present(chunk.error) else data)
            return EventKind.ERROR
        self._record(chunk)
        if not self.has_content:
            self.has_content = _has_content(data)
        for choice in chunk.choices:
            self._open.add(choice.index)
            if choice.finish_reason:  # some servers send "" with each chunk
                self._finished.add(choice.index)
                self.storable = self.storable and choice.finish_reason != "content_filter"
        return EventKind.ORDINARY

    def _end(self) -> EventKind:
        if not self._open:
            raise MalformedAnswer("The upstream's stream ended without content.")
        if not self.may_end():
            raise TruncatedAnswer("The upstream ended its stream without a finish reason.")
        self.is_complete = self.has_content = True
        return EventKind.TERMINAL

    def _is_answer(self, answer: _ObservedAnswer) -> bool:
        return bool(answer.choices)

    def may_end(self) -> bool:
        """Whether each choice that began has finished."""
        return bool(self._open) and self._open == self._finished

    def _succeeded(self, answer: _ObservedAnswer) -> bool:
        reasons = [choice.finish_reason for choice in answer.choices]
        return bool(reasons) and None not in reasons and "content_filter" not in reasons


class ResponsesObserver(StreamObserver):
    """Observes a Responses stream: events with a type, exactly one of them terminal."""

    expected_field = "output"

    def observe(self, event: bytes) -> EventKind:
        """Observe one event. Raises MalformedAnswer."""
        data = sse.data_of(event)
        if data is None or sse.is_done(event):
            return EventKind.COMMENT
        observed = _decode(_event, data)
        if observed.is_error():
            self.error = _any.decode(observed.error) if _present(observed.error) else _any.decode(data)
            return EventKind.ERROR
        if not _present(observed.response) or not observed.type.startswith("response."):
            if observed.type in TERMINAL_TYPES:
                raise MalformedAnswer("The upstream's last event has no Response.")
            self.has_content = self.has_content or observed.type not in _BEFORE_CONTENT
            return EventKind.ORDINARY
        return self._see_response(observed.type, _decode(_answer, bytes(observed.response)))

    def _is_answer(self, answer: _ObservedAnswer) -> bool:
        return answer.status is not None or _present(answer.output)

    def _see_response(self, kind: str, response: _ObservedAnswer) -> EventKind:
        if kind not in TERMINAL_TYPES:
            self._record(response)
            return EventKind.ORDINARY
        if _present(response.error):
            self.error = _any.decode(response.error)
        else:
            self.has_content = True
        self._complete(response)
        return EventKind.TERMINAL


def observer_for(route: Endpoint) -> StreamObserver:
    """Return the observer for an endpoint's answers."""
    if route.format is Format.CHAT:
        return ChatObserver()
    return ResponsesObserver() if route.format is Format.RESPONSES else StreamObserver()


def is_extra_chunk(event: bytes) -> bool:
    """Whether this chat chunk has no choice: it carries the usage, or Azure's filter results for the prompt.

    Clients that did not request the usage may rely on a choice in each chunk.
    """
    if not _NO_CHOICE.search(event) and (b'"usage"' not in event or b'"usage":null' in event):
        return False
    data = sse.data_of(event)
    if data is None:
        return False
    try:
        chunk = _chunk.decode(data)
    except msgspec.DecodeError:
        return False
    return not chunk.choices and not _present(chunk.error)


def is_terminal(route: Endpoint, event: bytes) -> bool:
    """Whether this event, which was observed already, ends the stream."""
    if route.format is Format.CHAT:
        return sse.is_done(event)
    if not any(kind in event for kind in _TERMINAL_BYTES):
        return False
    return bool(_event.decode(sse.data_of(event) or b"{}").type in TERMINAL_TYPES)


def _has_content(data: bytes) -> bool:
    """Whether a chat chunk has more than the role."""
    return any(
        choice.finish_reason is not None or any(value for name, value in (choice.delta or {}).items() if name != "role")
        for choice in _decode(_opening, data).choices
    )


def _finished(status: str | None, details: dict[str, Any] | None) -> bool:
    if status in (None, "completed"):
        return True
    return status == "incomplete" and (details or {}).get("reason") == "max_output_tokens"


def _present(raw: msgspec.Raw) -> bool:
    return raw != _NULL


def _decode(decoder: "msgspec.json.Decoder[Any]", data: bytes) -> Any:
    try:
        if not data.isascii():
            data.decode()  # the decoder skips unknown fields without checking that they are UTF-8
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"The upstream's answer violates its protocol: {error}.") from error

"""Observe an answer as it passes: its end, its errors and its usage, with as little decoding as possible."""

import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, ClassVar

import msgspec

from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import EmptyAnswer, MalformedAnswer, TruncatedAnswer, UpstreamError
from tidegate.wire import sse
from tidegate.wire.charges.usage import merged, tier_of
from tidegate.wire.shapes.answer_facts import (
    MessageFacts,
    facts_of_messages,
    facts_of_output,
    facts_of_stream,
    has_vectors,
)
from tidegate.wire.shapes.chat_body import mend_chat_body
from tidegate.wire.shapes.chat_stream import ChatStreamMender
from tidegate.wire.shapes.observed import (
    NULL,
    ObservedAnswer,
    ObservedChunk,
    ObservedEvent,
    is_present,
    read_answer,
    read_chunk,
    read_event,
    read_first_chunk,
)
from tidegate.wire.shapes.responses_stream import unfinished_end, with_output
from tidegate.wire.shapes.worth_storing import AnswerFacts, why_not_stored

_EMPTY_TEXT = msgspec.Raw(b'""')


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


TERMINAL_TYPES = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_TERMINAL_BYTES = tuple(kind.encode() for kind in TERMINAL_TYPES)
_BEFORE_CONTENT = frozenset(
    {"response.output_item.added", "response.content_part.added", "response.reasoning_summary_part.added"}
)
"""Events that announce content and have none; events with a Response in them have none either.

Progress of a tool (`response.web_search_call.searching`) is content: the work has begun, and is paid for.
"""
_HEARTBEATS = frozenset({"heartbeat", "keepalive", "ping"})
"""Events that only show that the upstream is alive; before the first event of a Response they break the SDK."""
_NOT_CONTENT = frozenset({"role", "name", "obfuscation", "provider_specific_fields"})
"""Fields of a delta that come without content. An unknown field may be the answer: it counts as content."""
_NO_CHOICE = re.compile(rb'"choices"\s*:\s*\[\s*\]')
"""Cannot match within a text, where quotes are escaped."""


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
    is_unfinished = False
    """Whether a complete answer does not say why it ended, so that it may be a part."""
    reasons: tuple[str, ...] = ()
    """Why each choice ended, in the words of chat; empty for a choice that does not say."""
    _has_data = _is_empty = False
    expected_field: ClassVar[str] = "data"
    """What every valid body contains; for the error message."""

    def mend(self, event: bytes, earlier: Sequence[bytes]) -> bytes:  # noqa: ARG002  # the signature of all observers
        """Return an event in OpenAI's shape, before it is observed; `earlier` are those before it."""
        return event

    def mend_body(self, body: bytes) -> bytes:
        """Return an answer that came as one body in OpenAI's shape, before it is observed."""
        return body

    def observe(self, event: bytes) -> EventKind:  # noqa: ARG002  # the signature of all observers
        """Observe one event of a stream. Raises MalformedAnswer."""
        raise MalformedAnswer("The upstream sent a stream where OpenAI sends none.")

    def may_end(self) -> bool:
        """Whether the stream may end here without its terminal event."""
        return self.is_complete

    def observe_body(self, body: bytes) -> EventKind:
        """Observe an answer that came as one body. Raises MalformedAnswer and EmptyAnswer."""
        answer = read_answer(body)
        if answer.error != NULL:
            self.error = msgspec.json.decode(answer.error)
            if answer.status is None:
                self._record(answer)
                return EventKind.ERROR
        elif not self._is_answer(answer):
            if _NO_CHOICE.search(body) and self.expected_field == "choice":
                self._record(answer)
                raise EmptyAnswer
            if not answer.is_error():
                raise MalformedAnswer(f"The upstream's answer has no {self.expected_field}.")
            self.error = msgspec.json.decode(body)
            return EventKind.ERROR
        self._complete(answer)
        return EventKind.TERMINAL

    def _is_answer(self, answer: ObservedAnswer) -> bool:
        return is_present(answer.data) or is_present(answer.results)

    def is_worth_storing(
        self,
        events: Sequence[bytes],
        *,
        wants_json: bool = False,
        is_limited: bool = True,
        end_reason: str | None = None,
    ) -> bool:
        """Whether another caller can use the answer, whose events, or whose one body, are these.

        `wants_json` and `is_limited` are what the caller requested: JSON as the text, and an output limit.
        `end_reason` is why the upstream's answer ended, if a translation hides it.
        """
        if not self.is_complete or self.error is not None:
            return False
        held = self._held(events)
        facts = AnswerFacts(
            reasons=self.reasons if end_reason is None else (*self.reasons, end_reason),
            has_output=held.has_output,
            is_refused=held.is_refused,
            has_unusable_call=held.has_unusable_call,
            wants_json=wants_json,
            is_limited=is_limited,
        )
        return why_not_stored(facts) is None

    def _held(self, events: Sequence[bytes]) -> MessageFacts:
        """Return what the answer holds."""
        return MessageFacts(not self._is_empty and (not self._has_data or has_vectors(events[0])))

    def _complete(self, answer: ObservedAnswer) -> None:
        self._record(answer)
        self.is_complete = True
        self.reasons = self._reasons_of(answer)
        self.is_unfinished = not all(self.reasons)
        self._has_data = is_present(answer.data)
        self._is_empty = b"[]" in (bytes(answer.data), bytes(answer.results))

    def _reasons_of(self, answer: ObservedAnswer) -> tuple[str, ...]:  # noqa: ARG002  # the signature of all observers
        return ("stop",)

    def _record(self, answer: ObservedChunk) -> None:
        tier = answer.service_tier
        usage = answer.usage if answer.usage != NULL else answer.stated_usage()
        if usage != NULL:
            tier = tier or tier_of(bytes(usage))
            self.usage = bytes(usage) if self.usage is None else merged(self.usage, bytes(usage))
        self.model = answer.model or self.model
        self.service_tier = tier or self.service_tier


class ChatObserver(StreamObserver):
    """Observes a chat stream: chunks, a finish reason for each choice, a usage chunk, `[DONE]`."""

    expected_field = "choice"

    def __init__(self, *, keeps_reasons: bool = False) -> None:
        """`keeps_reasons` leaves the reasons of answers with tool calls as they are."""
        self._keeps_reasons = keeps_reasons
        self._open: set[int] = set()
        self._finished: dict[int, str] = {}
        self._messages: list[msgspec.Raw] = []
        self._mender = ChatStreamMender(keeps_reasons=keeps_reasons)

    def mend(self, event: bytes, earlier: Sequence[bytes]) -> bytes:  # noqa: ARG002  # the signature of all observers
        """Return a chunk in OpenAI's shape, before it is observed."""
        return self._mender.mend_event(event)

    def mend_body(self, body: bytes) -> bytes:
        """Return a completion in OpenAI's shape, before it is observed."""
        return mend_chat_body(body, keeps_reasons=self._keeps_reasons)

    def observe(self, event: bytes) -> EventKind:
        """Observe one event. Raises MalformedAnswer and TruncatedAnswer."""
        data = sse.data_of(event)
        if not data or data.isspace():
            return EventKind.COMMENT
        if sse.is_done(event):
            return self._end()
        chunk = read_chunk(data)
        self._record(chunk)
        if chunk.error != NULL or (not chunk.choices and chunk.is_error()):
            self.error = msgspec.json.decode(chunk.error if is_present(chunk.error) else data)
            return EventKind.ERROR
        if not self.has_content:
            self.has_content = _has_content(data)
        for choice in chunk.choices:
            self._open.add(choice.index or 0)
            if choice.finish_reason:  # some servers send "" with each chunk
                self._finished[choice.index or 0] = choice.finish_reason
        return EventKind.ORDINARY

    def _end(self) -> EventKind:
        if not self._open:
            raise MalformedAnswer("The upstream's stream ended without content.")
        if not self.may_end():
            if not self.has_content:
                raise TruncatedAnswer("The upstream ended its stream without content or a finish reason.")
            self.is_unfinished = True
        self.reasons = tuple(self._finished.get(index, "") for index in self._open)
        self.is_complete = self.has_content = True
        return EventKind.TERMINAL

    def _is_answer(self, answer: ObservedAnswer) -> bool:
        return bool(answer.choices)

    def may_end(self) -> bool:
        """Whether each choice that began has finished."""
        return bool(self._open) and self._open == self._finished.keys()

    def _complete(self, answer: ObservedAnswer) -> None:
        self._record(answer)
        self.is_complete = True
        self.reasons = tuple([choice.finish_reason or "" for choice in answer.choices])
        self.is_unfinished = "" in self.reasons
        self._messages = [choice.message for choice in answer.choices]

    def _held(self, events: Sequence[bytes]) -> MessageFacts:
        if not self._open:
            return facts_of_messages(self._messages)
        held = facts_of_stream(events, self._open)
        return msgspec.structs.replace(held, has_unusable_call=not self._mender.has_usable_calls())


class ResponsesObserver(StreamObserver):
    """Observes a Responses stream: events with a type, exactly one of them terminal."""

    expected_field = "output"
    _output = b"[]"

    def mend(self, event: bytes, earlier: Sequence[bytes]) -> bytes:
        """Return an event in OpenAI's shape, before it is observed; `earlier` are those before it."""
        if sse.is_done(event):
            return (self.has_content and unfinished_end(earlier)) or event
        return with_output(event, earlier)

    def observe(self, event: bytes) -> EventKind:
        """Observe one event. Raises MalformedAnswer."""
        data = sse.data_of(event)
        if not data or data.isspace() or sse.is_done(event):
            return EventKind.COMMENT
        observed = read_event(data)
        if observed.type in _HEARTBEATS:
            return EventKind.COMMENT
        if observed.is_error():
            self.error = (
                msgspec.json.decode(observed.error) if is_present(observed.error) else msgspec.json.decode(data)
            )
            return EventKind.ERROR
        if not is_present(observed.response) or not observed.type.startswith("response."):
            if observed.type in TERMINAL_TYPES:
                raise MalformedAnswer("The upstream's last event has no Response.")
            self.has_content = self.has_content or _is_content(observed)
            return EventKind.ORDINARY
        return self._see_response(observed.type, read_answer(bytes(observed.response)))

    def _is_answer(self, answer: ObservedAnswer) -> bool:
        return answer.status is not None or is_present(answer.output)

    def _complete(self, answer: ObservedAnswer) -> None:
        super()._complete(answer)
        self._output = bytes(answer.output)

    def _reasons_of(self, answer: ObservedAnswer) -> tuple[str, ...]:
        if answer.status == "incomplete":
            return (str((answer.incomplete_details or {}).get("reason") or ""),)
        return (answer.status or "completed",)

    def _held(self, events: Sequence[bytes]) -> MessageFacts:  # noqa: ARG002  # the last of them has all
        return facts_of_output(self._output)

    def _see_response(self, kind: str, response: ObservedAnswer) -> EventKind:
        if kind not in TERMINAL_TYPES:
            self._record(response)
            return EventKind.ORDINARY
        had_content, self.has_content = self.has_content, self.has_content or not is_present(response.error)
        if is_present(response.error):
            self.error = msgspec.json.decode(response.error)
        self._complete(response)
        if self.is_unfinished and not had_content:
            raise TruncatedAnswer("The upstream ended its stream without content or a finish reason.")
        return EventKind.TERMINAL


_REASON = re.compile(rb'"finish_reason"\s*:\s*"[^"]')


def states_end(route: Endpoint, event: bytes) -> bool:
    """Whether an event, or a whole body, says why the answer ended; always where answers state no such thing."""
    if route.format is Format.CHAT:
        return _REASON.search(event) is not None or (b'"choices"' not in event and not sse.is_done(event))
    if route.format is not Format.RESPONSES:
        return True
    observer, data = ResponsesObserver(), sse.data_of(event)
    try:
        if data is None or event.startswith(b"{"):
            return observer.observe_body(event) is EventKind.TERMINAL and not observer.is_unfinished
        is_last = any(kind in event for kind in _TERMINAL_BYTES)
        return is_last and observer.observe(event) is EventKind.TERMINAL and not observer.is_unfinished
    except UpstreamError:
        return False


def observer_for(route: Endpoint, *, forces_tool: bool = False) -> StreamObserver:
    """Return the observer for an endpoint's answers.

    `forces_tool` says that the request names the tool to call: OpenAI, too, then ends with `stop`.
    """
    if route.format is Format.CHAT:
        return ChatObserver(keeps_reasons=forces_tool)
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
        chunk = read_chunk(data)
    except MalformedAnswer:
        return False
    return not chunk.choices and not is_present(chunk.error)


def is_terminal(route: Endpoint, event: bytes) -> bool:
    """Whether this event, which was observed already, ends the stream."""
    if route.format is Format.CHAT:
        return sse.is_done(event)
    if not any(kind in event for kind in _TERMINAL_BYTES):
        return False
    return bool(read_event(sse.data_of(event) or b"{}").type in TERMINAL_TYPES)


def _has_content(data: bytes) -> bool:
    """Whether a chat chunk has a part of the answer: text, reasoning, a refusal, a tool call, or a finish."""
    return any(
        bool(choice.finish_reason)
        or any(value for name, value in (choice.delta or {}).items() if name not in _NOT_CONTENT)
        for choice in read_first_chunk(data).choices
    )


def _is_content(event: ObservedEvent) -> bool:
    """Whether an event of a Response has a part of the answer; heartbeats have other types, or an empty delta."""
    return event.type.startswith("response.") and event.type not in _BEFORE_CONTENT and event.delta != _EMPTY_TEXT

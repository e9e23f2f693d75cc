"""A stored chat completion: its document, and the messages of its request.

Used by the response recorder and the completions routes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tidegate.core.errors import MalformedAnswer
from tidegate.wire import chat, sse

Json = dict[str, Any]

_ECHOED_DEFAULTS: Json = {
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "seed": None,
    "tools": None,
    "tool_choice": None,
    "response_format": None,
}
"""Request fields that the stored document repeats, with the value for a request that leaves them out."""
_NULL_FIELDS: Json = {"usage": None, "service_tier": "default", "system_fingerprint": None}

_decode = msgspec.json.Decoder()
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)
"""Errors that decoding raises for JSON of another form than expected."""
_NO_COMPLETION = "The upstream's answer has not the form of a chat completion, so it cannot be kept."


class _TextDelta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    content: str


class _TextChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    index: int
    delta: _TextDelta
    finish_reason: None = None
    logprobs: None = None


class _TextChunk(msgspec.Struct, frozen=True):
    """A chunk that holds a piece of text and nothing else, as nearly all chunks do."""

    choices: tuple[_TextChoice]
    usage: None = None


_decode_text_chunk = msgspec.json.Decoder(_TextChunk)


class CompletionDocument:
    """Replace the upstream's id by the caller's own id, and collect what the store needs."""

    def __init__(self, completion_id: str, body: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """`body` is the request as the caller sent it."""
        self.id = completion_id
        self._body = body
        self._metadata = metadata
        self._upstream_id: bytes | None = None
        self._own_id = f'"{completion_id}"'.encode()
        self._events: list[bytes] = []

    def rewrite_event(self, event: bytes) -> bytes:
        """Return a chunk with the caller's own id."""
        if self._upstream_id is None and (data := sse.data_of(event)) is not None and data != b"[DONE]":
            self._upstream_id = _id_of(data)
        if self._upstream_id:
            event = event.replace(self._upstream_id, self._own_id, 1)
        self._events.append(event)
        return event

    def rewrite_body(self, body: bytes) -> tuple[bytes, Json]:
        """Return an unstreamed answer for the caller, and the document to store. Raises MalformedAnswer."""
        try:
            answer = {**_decode.decode(body), "id": self.id}
        except MALFORMED as error:
            raise MalformedAnswer(_NO_COMPLETION) from error
        return msgspec.json.encode(answer), self._stored_document(answer)

    def stored_document(self) -> Json:
        """Return the document to store, made from the chunks so far. Raises MalformedAnswer."""
        data = [
            data_line
            for event in self._events
            if (data_line := sse.data_of(event)) is not None and data_line != b"[DONE]"
        ]
        try:
            return self._stored_document(chat.from_chunks(list(_merged_chunks(data))))
        except MALFORMED as error:
            raise MalformedAnswer(_NO_COMPLETION) from error

    def _stored_document(self, answer: Json) -> Json:
        repeated = {name: _value_or(self._body, name, default) for name, default in _ECHOED_DEFAULTS.items()}
        return {
            **_NULL_FIELDS,
            **repeated,
            "input_user": self._body.get("user"),
            **answer,
            "id": self.id,
            "object": "chat.completion",
            "metadata": dict(self._metadata),
        }


def _id_of(chunk: bytes) -> bytes | None:
    """Return a chunk's id in quotes; None for a first chunk that only has a content filter's results."""
    try:
        name = _decode.decode(chunk).get("id")
    except MALFORMED:
        return None
    return msgspec.json.encode(name) if isinstance(name, str) and name else None


def _merged_chunks(data: Iterable[bytes]) -> Iterator[Json]:
    """Yield the chunks, with successive texts merged into one chunk."""
    index, texts = 0, list[str]()
    for chunk in data:
        try:
            (choice,) = _decode_text_chunk.decode(chunk).choices
        except msgspec.ValidationError:
            yield from _as_chunk(index, texts)
            yield _decode.decode(chunk)
            continue
        if choice.index != index:
            yield from _as_chunk(index, texts)
            index = choice.index
        texts.append(choice.delta.content)
    yield from _as_chunk(index, texts)


def _as_chunk(index: int, texts: list[str]) -> Iterator[Json]:
    if texts:
        yield {"choices": [{"index": index, "delta": {"content": "".join(texts)}}]}
        texts.clear()


def messages_of(completion_id: str, messages: Any) -> list[Json]:
    """Return the messages of a request as they are listed: each with an id, and its text or its parts."""
    request_messages: Sequence[Any] = messages if isinstance(messages, list) else ()
    return [
        _listed_message(f"{completion_id}-{number}", message)
        for number, message in enumerate(request_messages)
        if isinstance(message, dict)
    ]


def _listed_message(name: str, message: Json) -> Json:
    content = message.get("content")
    parts = content if isinstance(content, list) else None
    text = content if isinstance(content, str) else _text_of(parts)
    silent = {"name": None, "refusal": None}
    return {"id": name, **silent, **message, "content": text, "content_parts": _visible_parts(parts)}


def _text_of(parts: list[Any] | None) -> str | None:
    """Return the text of a message that consists of text alone."""
    if parts is None:
        return None
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    return "\n".join(text for text in texts if isinstance(text, str)) if texts else None


def _visible_parts(parts: list[Any] | None) -> list[Json] | None:
    return None if parts is None else [part for part in parts if isinstance(part, dict)]


def _value_or(body: Mapping[str, Any], name: str, default: Any) -> Any:
    value = body.get(name)
    return default if value is None else value

"""Decode those fields of an answer that are observed; all others are skipped."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from tidegate.core.errors import MalformedAnswer

NULL = msgspec.Raw(b"null")
"""What stands for a value that is not there."""


class ObservedChoice(msgspec.Struct):
    """A choice of a chat answer, streamed or whole."""

    index: int | None = 0
    finish_reason: str | None = None
    message: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


class GroqExtension(msgspec.Struct):
    """Groq's extension of a chunk."""

    usage: msgspec.Raw = NULL


class ObservedChunk(msgspec.Struct):
    """A chunk of a chat stream."""

    choices: list[ObservedChoice] = []
    usage: msgspec.Raw = NULL
    x_groq: GroqExtension | None = None
    model: str | None = None
    service_tier: str | None = None
    error: msgspec.Raw = NULL
    message: msgspec.Raw = NULL
    detail: msgspec.Raw = NULL

    def stated_usage(self) -> msgspec.Raw:
        """Return the usage, from wherever a provider states it: the answer, Groq's extension, or a choice."""
        if self.usage is not NULL and is_present(self.usage):
            return self.usage
        if self.x_groq is not None and is_present(self.x_groq.usage):
            return self.x_groq.usage
        return next((choice.usage for choice in self.choices if is_present(choice.usage)), NULL)

    def is_error(self) -> bool:
        """Whether this is an error without its envelope, in place of an answer."""
        return is_present(self.message) or is_present(self.detail)


class FirstDelta(msgspec.Struct):
    """A choice of one of the first chunks."""

    delta: dict[str, Any] | None = None
    finish_reason: str | None = None


class FirstChunk(msgspec.Struct):
    """One of the first chunks, decoded to find out whether it has content."""

    choices: list[FirstDelta] = []


class ObservedEvent(msgspec.Struct):
    """An event of a Responses stream."""

    type: str = ""
    delta: msgspec.Raw = NULL
    response: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    message: msgspec.Raw = NULL

    def is_error(self) -> bool:
        """Whether this is an error, with or without its envelope."""
        return self.type == "error" or is_present(self.error) or (not self.type and is_present(self.message))


class ObservedAnswer(ObservedChunk):
    """The body of an answer of any endpoint, or the Response inside an event."""

    status: str | None = None
    incomplete_details: dict[str, Any] | None = None
    output: msgspec.Raw = NULL
    data: msgspec.Raw = NULL
    results: msgspec.Raw = NULL


def is_present(raw: msgspec.Raw) -> bool:
    """Return whether a value is there, and not `null`."""
    return raw != NULL


def _decode(decoder: "msgspec.json.Decoder[Any]", data: bytes) -> Any:
    try:
        if not data.isascii():
            data.decode()  # the decoder skips unknown fields without checking that they are UTF-8
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"The upstream's answer violates its protocol: {error}.") from error


read_chunk: Callable[[bytes], ObservedChunk] = partial(_decode, msgspec.json.Decoder(ObservedChunk))
"""Decode a chat chunk. Raises MalformedAnswer."""
read_first_chunk: Callable[[bytes], FirstChunk] = partial(_decode, msgspec.json.Decoder(FirstChunk))
"""Decode a chat chunk, to find out whether it has content. Raises MalformedAnswer."""
read_event: Callable[[bytes], ObservedEvent] = partial(_decode, msgspec.json.Decoder(ObservedEvent))
"""Decode an event of a Response. Raises MalformedAnswer."""
read_answer: Callable[[bytes], ObservedAnswer] = partial(_decode, msgspec.json.Decoder(ObservedAnswer))
"""Decode a whole answer. Raises MalformedAnswer."""

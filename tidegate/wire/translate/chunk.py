"""Decode a chat chunk, leniently: providers differ in the fields that they leave out."""

from collections.abc import Iterator
from typing import Any

import msgspec

from tidegate.core.errors import MalformedAnswer

Json = dict[str, Any]


class FunctionDelta(msgspec.Struct):
    """The streamed part of a tool call; `input` is a custom tool's."""

    name: str | None = None
    arguments: str | Json | None = None
    input: str | None = None

    @property
    def text(self) -> str:
        """The piece of the arguments, or of the input."""
        if isinstance(self.arguments, dict):
            return msgspec.json.encode(self.arguments).decode()
        return self.arguments or self.input or ""


class ToolDelta(msgspec.Struct):
    """A piece of one tool call."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    custom: FunctionDelta | None = None
    extra_content: Any = None
    """Gemini's signature of the call, which it wants back with it."""


class Delta(msgspec.Struct):
    """What a chunk adds to its choice's message."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[ToolDelta] | None = None
    function_call: FunctionDelta | None = None
    annotations: list[Any] | None = None

    def reasoning_text(self) -> str:
        """Return the model's reasoning, from either of its two field names, or from a part of the content."""
        if self.reasoning_content:
            return self.reasoning_content
        if isinstance(self.reasoning, str):
            return self.reasoning
        return "".join(_texts(self.content, "thinking"))

    def text(self) -> str:
        """Return the piece of the answer's text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(_texts(self.content, "text"))

    def tool_deltas(self) -> list[ToolDelta]:
        """Return the pieces of tool calls, and that of the deprecated function call."""
        if self.function_call is not None:
            return [ToolDelta(index=0, function=self.function_call)]
        return self.tool_calls or []


class Logprobs(msgspec.Struct):
    """The log probabilities of the tokens in a chunk."""

    content: list[Any] | None = None


class ChunkChoice(msgspec.Struct):
    """One choice's part of a chunk."""

    index: int | None = None
    delta: Delta | None = None
    logprobs: Logprobs | None = None
    finish_reason: str | None = None
    usage: Any = None


class ChatChunk(msgspec.Struct):
    """One chunk."""

    choices: list[ChunkChoice] | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: Any = None
    x_groq: Any = None
    error: Any = None
    message: Any = None
    detail: Any = None
    type: Any = None
    code: Any = None

    @property
    def error_object(self) -> Any:
        """The error in place of a chunk, with or without its envelope; None for a chunk."""
        if self.error is not None or self.choices:
            return self.error
        message = self.message or self.detail
        return {"message": message, "type": self.type, "code": self.code} if message else None

    @property
    def usage_object(self) -> Json | None:
        """The usage, from wherever a provider states it: the chunk, Groq's extension, or a choice."""
        extension = self.x_groq.get("usage") if isinstance(self.x_groq, dict) else None
        stated = (self.usage, extension, *(choice.usage for choice in self.choices or ()))
        return next((usage for usage in stated if isinstance(usage, dict)), None)

    @property
    def choice(self) -> ChunkChoice | None:
        """The first choice, the only one that a Response can have."""
        return next((choice for choice in self.choices or () if not choice.index), None)


_chunk = msgspec.json.Decoder(ChatChunk)


def decode_chunk(data: bytes) -> ChatChunk:
    """Decode a chunk. Raises MalformedAnswer."""
    try:
        return _chunk.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"The upstream's answer violates its protocol: {error}.") from error


def convert_chunk(chunk: Json) -> ChatChunk:
    """Convert an object that is decoded already. Raises MalformedAnswer."""
    try:
        return msgspec.convert(chunk, ChatChunk)
    except (msgspec.ValidationError, RecursionError) as error:
        raise MalformedAnswer(f"The upstream's answer violates its protocol: {error}.") from error


def _texts(content: Any, kind: str) -> Iterator[str]:
    """Yield the texts in the parts of one type; a `thinking` part contains a list of parts itself."""
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == kind:
            inner = part.get(kind)
            yield inner if isinstance(inner, str) else "".join(_texts(inner, "text"))

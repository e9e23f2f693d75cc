"""An endpoint's reply, before any fault touches it."""

from typing import Any

import msgspec

Json = dict[str, Any]


class SimulatedReply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, and its events where it is to be streamed."""

    body: Json
    events: list[Json] | None = None
    """None for an answer in one piece."""
    named_events: bool = False
    """Whether each event names its type on an `event:` line, as the Responses API does."""
    input_tokens: int = 0
    cached_tokens: int = 0
    """Of the input."""
    output_tokens: int = 0
    unseen_tokens: int = 0
    """Of the output: those that are no text, such as reasoning."""


class AnswerIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What is new in each answer: its identifier's random part and the time."""

    digits: str
    now: float
    """Unix seconds."""
    cached_tokens: int = 0
    """Tokens of the question that were seen before."""

    def make_id(self, prefix: str, number: int = 0) -> str:
        """An identifier; `number` tells several of one kind apart."""
        return f"{prefix}{self.digits}{number or ''}"

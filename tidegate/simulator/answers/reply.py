"""An endpoint's reply before any fault changes it."""

from typing import Any

import msgspec

Json = dict[str, Any]


class SimulatedReply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, and its events if it is streamed."""

    body: Json
    events: list[Json] | None = None
    """None for an unstreamed answer."""
    named_events: bool = False
    """Whether each event names its type on an `event:` line, as the Responses API does."""
    input_tokens: int = 0
    cached_tokens: int = 0
    """Cached tokens of the input."""
    output_tokens: int = 0
    unseen_tokens: int = 0
    """Tokens of the output that are no text, such as reasoning."""


class AnswerIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that are new in each answer: the random part of its ids, and the time."""

    digits: str
    now: float
    """Unix seconds."""
    cached_tokens: int = 0
    """Tokens of the input that were seen before."""

    def make_id(self, prefix: str, number: int = 0) -> str:
        """Return an id; `number` distinguishes several with one prefix."""
        return f"{prefix}{self.digits}{number or ''}"

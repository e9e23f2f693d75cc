"""An endpoint's reply before any fault changes it."""

from collections.abc import Mapping
from typing import Any

import msgspec

Json = dict[str, Any]


class TokenKinds(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of the input and of the output that have a price of their own."""

    cache_write: int = 0
    input_audio: int = 0
    cached_audio: int = 0
    """Cached sound; it is part of `input_audio` and of the cached tokens."""
    input_image: int = 0
    cached_image: int = 0
    output_audio: int = 0
    output_image: int = 0


PLAIN_TEXT = TokenKinds()


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
    kinds: TokenKinds = PLAIN_TEXT
    service_tier: str = "default"
    tools: tuple[Json, ...] = ()
    """The tools that the request offers, which decide what their use is billed as."""
    searches: str = ""
    """What a search model of the chat API is billed for besides its tokens; empty for none."""


class AnswerIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that are new in each answer: the random part of its ids, and the time."""

    digits: str
    now: float
    """Unix seconds."""
    cached_tokens: int = 0
    """Tokens of the input that were seen before."""
    kinds: TokenKinds = PLAIN_TEXT
    tools: Mapping[str, int] = {}
    """How often the answer uses each hosted tool."""
    states_tool_usage: bool = True
    """Whether a Response states the use of its tools."""

    def make_id(self, prefix: str, number: int = 0) -> str:
        """Return an id; `number` distinguishes several with one prefix."""
        return f"{prefix}{self.digits}{number or ''}"

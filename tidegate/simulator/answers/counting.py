"""Counts tokens as OpenAI publishes it: with its encodings, and its framing of messages."""

from functools import lru_cache
from typing import Any

import msgspec

PRIMING_TOKENS = 3
"""Tokens that open every answer of a conversation (OpenAI Cookbook, "How to count tokens with tiktoken")."""
FRAME_TOKENS = 3
"""Tokens around each message (the same)."""
NAME_TOKENS = 1
"""The tokens of an author's name beyond its text (the same)."""
IMAGE_TOKENS = 85
"""The tokens of an image at low detail."""

_OLDER = ("gpt-4-", "gpt-3.5", "text-embedding")
"""Models of the encoding before o200k_base, and gpt-4 itself."""


class TokenCounter:
    """Counts tokens in one encoding."""

    def __init__(self, encoding: Any) -> None:
        self._encoding = encoding

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        return int(self._encoding.count(_without_half_surrogates(text)))

    def count_json(self, value: Any) -> int:
        """Return the tokens of a part that the model reads as it was sent: tools, or a schema."""
        return self.count(msgspec.json.encode(value).decode()) if value else 0

    def split(self, text: str) -> list[str]:
        """Return the tokens as texts, which joined are the text.

        Tokens that are parts of one character stay together.
        """
        pieces: list[str] = []
        waiting: list[int] = []
        for token in self._encoding.encode(_without_half_surrogates(text)):
            waiting.append(token)
            piece = self._encoding.decode(waiting)
            if piece is not None:
                pieces.append(piece)
                waiting = []
        return pieces


def tokens_for(model: str) -> TokenCounter:
    """Return the counter for the encoding of a model."""
    older = model == "gpt-4" or model.startswith(_OLDER)
    return _tokens("cl100k_base" if older else "o200k_base")


@lru_cache(maxsize=2)
def _tokens(encoding: str) -> TokenCounter:
    from rs_bpe.bpe import openai  # noqa: PLC0415  # 26 MB, and only needed once something is asked

    return TokenCounter(getattr(openai, encoding)())


def content_tokens(content: Any, tokens: TokenCounter) -> int:
    """Return the tokens of a message's content: a text, or parts that may be images."""
    if isinstance(content, str):
        return tokens.count(content)
    parts = content if isinstance(content, list) else ()
    return sum(tokens.count(part["text"]) if isinstance(part.get("text"), str) else IMAGE_TOKENS for part in parts)


def message_tokens(message: dict[str, Any], tokens: TokenCounter) -> int:
    """Return the tokens of one message of a chat, or of one input item of a response, with its frame."""
    count = FRAME_TOKENS + content_tokens(message.get("content", message.get("output")), tokens)
    for field in ("role", "arguments", "input"):
        count += tokens.count(message[field]) if isinstance(message.get(field), str) else 0
    if isinstance(message.get("name"), str):
        count += tokens.count(message["name"]) + (NAME_TOKENS if "role" in message else 0)
    for call in message.get("tool_calls") or ():
        called = call.get("function") or call.get("custom") or {}
        count += sum(tokens.count(text) for text in called.values() if isinstance(text, str))
    return count


def _without_half_surrogates(text: str) -> str:
    """Return text without half surrogate pairs, which have no encoding."""
    return text if text.isascii() else text.encode(errors="replace").decode()

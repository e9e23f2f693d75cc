"""Counts tokens as OpenAI publishes it: with its encodings, and its framing of messages."""

from typing import Any

import msgspec

from tidegate.core.tokenizer import CL100K, O200K, Tokenizer, tokenizer

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


def tokens_for(model: str) -> Tokenizer:
    """Return the tokenizer for the encoding of a model."""
    return tokenizer(CL100K if model == "gpt-4" or model.startswith(_OLDER) else O200K)


def json_tokens(value: Any, tokens: Tokenizer) -> int:
    """Return the tokens of a part that the model reads as it was sent: tools, or a schema."""
    return tokens.count(msgspec.json.encode(value).decode()) if value else 0


def content_tokens(content: Any, tokens: Tokenizer) -> int:
    """Return the tokens of a message's content: a text, or parts that may be images."""
    if isinstance(content, str):
        return tokens.count(content)
    parts = content if isinstance(content, list) else ()
    return sum(tokens.count(part["text"]) if isinstance(part.get("text"), str) else IMAGE_TOKENS for part in parts)


def message_tokens(message: dict[str, Any], tokens: Tokenizer) -> int:
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

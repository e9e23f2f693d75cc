"""Tokens are counted with OpenAI's encodings, and messages are framed as OpenAI publishes it."""

from typing import Any

import pytest

from tidegate.simulator.answers.counting import IMAGE_TOKENS, json_tokens, message_tokens, tokens_for

FOX = "The quick brown fox jumps over the lazy dog."
"""Ten tokens in both encodings."""
NEWER = tokens_for("gpt-4o")


@pytest.mark.parametrize(("model", "tokens"), [("gpt-4o", 2), ("o3", 2), ("gpt-4", 5), ("text-embedding-3-small", 5)])
def test_each_model_has_its_encoding(model: str, tokens: int) -> None:
    assert tokens_for(model).count("안녕하세요") == tokens


MESSAGES: dict[str, tuple[dict[str, Any], int]] = {
    "text": ({"role": "user", "content": FOX}, 3 + 1 + 10),
    "a name": ({"role": "user", "name": "ada", "content": FOX}, 3 + 1 + 10 + 2),
    "parts": (
        {"role": "user", "content": [{"type": "text", "text": FOX}, {"type": "image_url"}]},
        3 + 1 + 10 + IMAGE_TOKENS,
    ),
    "nothing said": ({"role": "assistant", "content": None}, 3 + 1),
    "a tool call": (
        {"role": "assistant", "tool_calls": [{"id": FOX, "function": {"name": "find", "arguments": "{}"}}]},
        3 + 1 + 2,
    ),
    "an item's call": ({"type": "function_call", "call_id": FOX, "name": "find", "arguments": "{}"}, 3 + 2),
    "its output": ({"type": "function_call_output", "call_id": FOX, "output": FOX}, 3 + 10),
}


@pytest.mark.parametrize(("message", "tokens"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_is_framed(message: dict[str, Any], tokens: int) -> None:
    assert message_tokens(message, NEWER) == tokens


def test_what_is_declared_counts_as_the_json_it_is() -> None:
    assert json_tokens([{"type": "function"}], NEWER) == NEWER.count('[{"type":"function"}]')
    assert json_tokens(None, NEWER) == 0

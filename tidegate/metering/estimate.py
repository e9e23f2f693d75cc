"""Estimates the tokens of a call whose own figures are missing: cut off, cancelled, or left out.

Used by the accountant and for cost reservations. Text is counted with OpenAI's own encodings and framed as in OpenAI's
Cookbook ("How to count tokens with tiktoken"). A Response's input is counted like a chat's. Tools and schemas count as
the JSON that was sent; media have flat figures. The work is bounded: of very long texts the first part is counted, and
the rest is scaled.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.tokenizer import CL100K, O200K, tokenizer
from tidegate.core.values import Usage

EXACT_CHARACTERS = 50_000
"""Characters that are counted exactly (at most 60 ms of CPU, 1 ms for English). The rest is scaled by their ratio."""
MAX_VALUES = 100_000
"""The most JSON values that are visited; further values of a body are not counted."""
PRIMING_TOKENS = 3
"""Tokens that open the answer of a conversation."""
MESSAGE_TOKENS = 3
"""Tokens that frame one message or item."""
NAME_TOKENS = 1
"""Tokens of the name of a message's author beyond its text."""
_ROLE_TOKENS = 1
"""Tokens of the role of a text that stands alone, such as the system's or the user's."""
MEDIA_TOKENS = 765
"""Tokens of an image, sound or file of any size: those of a 1024 x 1024 image in high detail on GPT-4o."""

_TEXT_FIELDS = ("messages", "instructions", "input")
_SCHEMA_FIELDS = ("tools", "functions", "response_format", "text")
_UNCOUNTED_FIELDS = frozenset({"type", "id", "call_id", "tool_call_id", "status"})
"""Fields of messages and items that the model does not read."""
_MEDIA = frozenset({"image_url", "input_image", "input_audio", "file", "input_file", "computer_screenshot"})
_CL100K_PREFIXES = ("gpt-4-", "gpt-3.5", "gpt-35", "text-embedding", "ft:gpt-4-", "ft:gpt-3.5")


def estimate(route: Endpoint, model: str, body: Mapping[str, Any], output: Iterable[str]) -> Usage:
    """Return the usage of a call, from the decoded request `body` and the `output` texts that were received."""
    talks = route.writes
    input_tokens = _TextCounter()
    if talks:
        input_tokens.add_flat(PRIMING_TOKENS)
    for name in _TEXT_FIELDS:
        if talks and isinstance(body.get(name), str):
            input_tokens.add_flat(MESSAGE_TOKENS + _ROLE_TOKENS)
        input_tokens.add(body.get(name))
    for name in _SCHEMA_FIELDS:
        if body.get(name):
            input_tokens.add_text(msgspec.json.encode(body[name]).decode())
    output_tokens = _TextCounter()
    for text in output:
        output_tokens.add_text(text)
    return Usage(input=input_tokens.tokens(model), output=output_tokens.tokens(model), estimated=True)


class _TextCounter:
    """The text that was found so far, and flat figures for everything else."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._remaining_characters = EXACT_CHARACTERS
        self._estimated_bytes = 0
        self._flat = 0

    def add(self, value: Any) -> None:
        """Add all text in `value`, breadth first and without recursion."""
        waiting, left = deque([[value]]), MAX_VALUES
        while waiting and left > 0:
            values = waiting.popleft()[:left]
            left -= len(values)
            for inner in values:  # the kinds are told apart here: a body may have 100,000 values
                if isinstance(inner, str):
                    self.add_text(inner)
                elif isinstance(inner, int):  # an embedding's input may be given as tokens
                    self._flat += 1
                elif isinstance(inner, list):
                    waiting.append(inner)
                elif isinstance(inner, dict):
                    waiting.append(self._inside(inner))

    def add_flat(self, tokens: int) -> None:
        """Add tokens of parts that are no text."""
        self._flat += tokens

    def add_text(self, text: str) -> None:
        """Add a text: it is counted exactly up to the limit, and estimated beyond."""
        exact_text = text[: self._remaining_characters]
        self._remaining_characters -= len(exact_text)
        self._estimated_bytes += len(text) - len(exact_text)
        if exact_text:
            self._texts.append(exact_text)

    def tokens(self, model: str) -> int:
        """Return the tokens of everything that was added, in the encoding of `model`."""
        if not self._texts:
            return self._flat
        counted = sum(map(tokenizer(encoding_of(model)).count, self._texts))
        return int(self._flat + counted + counted * self._estimated_bytes // sum(map(len, self._texts)))

    def _inside(self, item: dict[str, Any]) -> list[Any]:
        kind = item.get("type")
        if isinstance(kind, str) and kind in _MEDIA:
            self._flat += MEDIA_TOKENS
            return []
        if "role" in item or "call_id" in item:
            self._flat += MESSAGE_TOKENS
        if "role" in item and isinstance(item.get("name"), str):
            self._flat += NAME_TOKENS
        return [value for name, value in item.items() if name not in _UNCOUNTED_FIELDS]


def encoding_of(model: str) -> str:
    """Return the encoding of a model."""
    return CL100K if model == "gpt-4" or model.startswith(_CL100K_PREFIXES) else O200K

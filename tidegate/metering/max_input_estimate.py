"""Computes the most input tokens that a call may be charged for. Called for cost reservations.

A text has at most one token per byte, and nearly always fewer than one per three bytes. Short texts are counted, long
ones are bounded. Input that the gateway cannot see (a file, an earlier conversation) may fill the model's whole
context.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from tidegate.metering.estimate import EXACT_CHARACTERS, MEDIA_TOKENS
from tidegate.wire.call import Call

_CONTEXT_SIZES = (
    ("gpt-5-chat", 128_000),
    ("gpt-5.", 1_050_000),
    ("gpt-5", 400_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("chatgpt-4o", 128_000),
    ("gpt-4-32k", 32_768),
    ("gpt-4-turbo", 128_000),
    ("gpt-4-1106", 128_000),
    ("gpt-4-0125", 128_000),
    ("gpt-4", 8_192),
    ("gpt-3.5", 16_385),
    ("o1-mini", 128_000),
    ("o1-preview", 128_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4", 200_000),
    ("text-embedding", 300_000),
)
"""The most tokens that a model reads (OpenAI, "Models"), by the beginning of its name. The first match counts."""
_DEFAULT_CONTEXT_SIZE = 1_050_000
_IMAGE_TOKENS = (
    ("gpt-4o-mini", 48_169),
    ("gpt-4o", 1_445),
    ("chatgpt-4o", 1_445),
    ("gpt-4.1-mini", 2_500),
    ("gpt-4.1-nano", 3_800),
    ("gpt-4.1", 1_445),
    ("gpt-5-mini", 2_500),
    ("gpt-5-nano", 3_800),
    ("gpt-5", 1_500),
    ("gpt-4-turbo", 1_445),
    ("o4-mini", 2_700),
    ("o", 1_445),
)
"""Tokens of the largest image in high detail (OpenAI, "Images and vision"), by the beginning of the model's name."""
_DEFAULT_IMAGE_TOKENS = 48_169
_IMAGE_TYPES = frozenset({"image_url", "input_image", "computer_screenshot"})
_UNCOUNTED_TYPES = frozenset({"input_audio", "file", "input_file", "item_reference"})
"""Types of parts whose tokens cannot be derived from the request."""
_REFERENCE_FIELDS = ("previous_response_id", "conversation", "prompt")
"""Fields that refer to text stored upstream."""
_CALLER_TOOLS = frozenset({"function", "custom"})
"""Tools whose results the caller sends.

The upstream runs all other tools itself, and charges for reading their results.
"""
_MARGIN = 1.02
_MARGIN_TOKENS = 16
"""OpenAI's framing of messages and tools is not public. An estimate has been too low by a few tokens."""
_BYTES_PER_TOKEN = 4
_FRAME_TOKENS = 8
_MAX_VALUES = 100_000
_PART_CHARACTERS = 64 * 1024


def max_input_tokens(call: Call, estimated_tokens: int) -> int:
    """Return the tokens; `estimated_tokens` is the gateway's own estimate."""
    sizes = _InputSizes()
    for name, value in call.body.items():
        sizes.add(name, value)
    name = base_model(call.model)
    context = _lookup(_CONTEXT_SIZES, name, _DEFAULT_CONTEXT_SIZE)
    images = sizes.images * max(0, _lookup(_IMAGE_TOKENS, name, _DEFAULT_IMAGE_TOKENS) - MEDIA_TOKENS)
    upper_bound = max(int(estimated_tokens * _MARGIN), sizes.estimated_tokens) + _MARGIN_TOKENS + images
    if sizes.uncounted or _reads_more_than_sent(call.body, name):
        return max(upper_bound, context)
    beyond = max(0, sizes.text - EXACT_CHARACTERS)
    if not beyond:
        return upper_bound
    bound = upper_bound * EXACT_CHARACTERS // sizes.text + 1 + beyond
    return max(upper_bound, min(bound, context))


def _reads_more_than_sent(body: Mapping[str, Any], model: str) -> bool:
    """Return whether the model reads more than was sent: stored text, or the results of its own searches."""
    if (
        any(body.get(name) for name in _REFERENCE_FIELDS)
        or body.get("web_search_options") is not None
        or "search" in model
    ):
        return True
    tools = body.get("tools")
    return isinstance(tools, list) and any(
        isinstance(tool, dict) and _kind(tool) not in _CALLER_TOOLS for tool in tools[:_MAX_VALUES]
    )


def _kind(item: Mapping[str, Any]) -> str:
    kind = item.get("type")
    return kind if isinstance(kind, str) else ""


def base_model(model: str) -> str:
    """Return the base model of a fine-tuned model; the same name for any other."""
    return model.split(":")[1] if model.startswith("ft:") and ":" in model[3:] else model


def _lookup(table: tuple[tuple[str, int], ...], name: str, default: int) -> int:
    return next((tokens for prefix, tokens in table if name.startswith(prefix)), default)


class _InputSizes:
    """The sizes of the parts of a body."""

    def __init__(self) -> None:
        self.text = 0
        """Bytes."""
        self.images = 0
        self.uncounted = False
        self._values = 0
        self._numbers = 0

    @property
    def estimated_tokens(self) -> int:
        """Return the estimated tokens, with framing, if the text is ordinary."""
        return (
            -(-self.text // _BYTES_PER_TOKEN)
            + self._values * _FRAME_TOKENS
            + self._numbers
            + self.images * MEDIA_TOKENS
        )

    def add(self, name: str, value: Any) -> None:
        """Add a field of the body, with everything in it."""
        waiting, left = deque([[value]]), _MAX_VALUES
        self.text += len(name)
        while waiting and left > 0:
            values = waiting.popleft()
            left -= len(values)
            for inner in values[: left + len(values)]:
                if isinstance(inner, str):
                    self.text += _utf8_bytes(inner)
                    self._values += 1
                elif isinstance(inner, int | float):
                    self._numbers += 1
                elif isinstance(inner, list):
                    waiting.append(inner)
                elif isinstance(inner, dict):
                    waiting.append(self._inside(inner))
        self.uncounted = self.uncounted or left < 0 or bool(waiting)

    def _inside(self, item: dict[str, Any]) -> list[Any]:
        kind = _kind(item)
        if kind in _IMAGE_TYPES:
            self.images += 1
            return []
        if kind in _UNCOUNTED_TYPES:
            self.uncounted = True
            return []
        audio = item.get("audio")
        if "role" in item and isinstance(audio, dict) and "id" in audio:  # audio of earlier answers is stored upstream
            self.uncounted = True
        self.text += sum(map(len, item))
        return list(item.values())


def _utf8_bytes(text: str) -> int:
    """Return how many bytes a text takes, without a copy of a large one."""
    if text.isascii():
        return len(text)
    parts = range(0, len(text), _PART_CHARACTERS)
    return sum(len(text[start : start + _PART_CHARACTERS].encode(errors="replace")) for start in parts)

"""The items of a conversation, and the tokens that each has: of text, of audio and of images."""

import base64
import binascii
from typing import Any

import msgspec

from tidegate.core.tokenizer import Tokenizer
from tidegate.simulator.refusal import Refusal, invalid

Json = dict[str, Any]

IMAGE_TOKENS = 85
_PCM_BYTES, _NARROW_BYTES = 4800, 800
"""Bytes of a token of what a user says: 100 ms."""
_TEXTS = ("text", "transcript", "arguments", "output", "name")


class HeardTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by kind."""

    text: int = 0
    audio: int = 0
    image: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image

    def plus(self, other: "HeardTokens") -> "HeardTokens":
        """Return the sum."""
        return HeardTokens(text=self.text + other.text, audio=self.audio + other.audio, image=self.image + other.image)


class SimulatedConversation:
    """The items, in order, with their tokens."""

    def __init__(self, tokens: Tokenizer) -> None:
        self._tokens = tokens
        self.items: dict[str, Json] = {}
        self._heard: dict[str, HeardTokens] = {}
        self._seen: set[str] = set()
        """The items that a response has had as its input: they are cached."""

    def add(self, item: Json, heard: HeardTokens | None = None) -> str | None:
        """Add an item; return the id of the one before it. Raises Refusal.

        `heard` are its tokens, where they are not counted by its parts.
        """
        if item["id"] in self.items:
            raise invalid(f"Item with ID already exists: {item['id']}", code="invalid_value", param="item.id")
        before = next(reversed(self.items), None)
        self._heard[item["id"]] = self._count(item) if heard is None else heard
        self.items[item["id"]] = item
        return before

    def remove(self, item_id: Any) -> None:
        """Remove an item. Raises Refusal."""
        self.find(item_id)
        del self.items[item_id], self._heard[item_id]

    def find(self, item_id: Any) -> Json:
        """Return an item. Raises Refusal."""
        item = self.items.get(item_id) if isinstance(item_id, str) else None
        if item is None:
            raise Refusal(404, f"Item with ID not found: {item_id}", code="item_not_found", param="item_id")
        return item

    def input_tokens(self, instructions: str) -> tuple[HeardTokens, HeardTokens]:
        """Return the tokens of all items and of the instructions, and those of them that are cached."""
        told = HeardTokens(text=self._tokens.count(instructions))
        everything, cached = told, told if self._seen else HeardTokens()
        for item_id, heard in self._heard.items():
            everything = everything.plus(heard)
            cached = cached.plus(heard) if item_id in self._seen else cached
        self._seen.update(self._heard)
        return everything, cached

    def _count(self, item: Json) -> HeardTokens:
        content = item.get("content")
        parts = [item, *(part for part in (content if isinstance(content, list) else ()) if isinstance(part, dict))]
        heard = HeardTokens()
        for part in parts:
            words = sum(self._tokens.count(part[name]) for name in _TEXTS if isinstance(part.get(name), str))
            audio = audio_tokens(decoded_audio(part["audio"]), narrow=False) if "audio" in part else 0
            image = IMAGE_TOKENS if part.get("type") == "input_image" else 0
            heard = heard.plus(HeardTokens(text=words, audio=audio, image=image))
        return heard


def decoded_audio(audio: Any) -> bytes:
    """Return the bytes of audio in base64. Raises Refusal."""
    try:
        return base64.b64decode(audio, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise invalid("Invalid 'audio'. Expected base64-encoded audio bytes.", param="audio") from None


def audio_tokens(audio: bytes, *, narrow: bool) -> int:
    """Return the tokens of what a user says; `narrow` for G.711, which has 8,000 bytes a second."""
    return -(-len(audio) // (_NARROW_BYTES if narrow else _PCM_BYTES))

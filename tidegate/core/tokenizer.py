"""Counts tokens with OpenAI's own encodings, whose ranks are compiled into the extension `toktok`.

Used by the metering and by the simulator. An encoding is loaded when it is first needed: it takes half a second of CPU
and 64 MB. The extension holds the interpreter's lock meanwhile, so a process stops for that long, once.
"""

from functools import lru_cache
from typing import Any

O200K = "o200k_base"
CL100K = "cl100k_base"
"""The encoding of models before GPT-4o."""


class Tokenizer:
    """One encoding."""

    def __init__(self, encoding: Any) -> None:
        self._encoding = encoding

    def count(self, text: str) -> int:
        """Return the tokens of a text. The names of special tokens count as text."""
        tokens: int = self._encoding.count(_encodable(text))
        return tokens

    def split(self, text: str) -> list[str]:
        """Return the tokens as texts, which joined are the text.

        Tokens that are parts of one character stay together.
        """
        pieces: list[str] = []
        waiting: list[int] = []
        for token in self._encoding.encode_ordinary(_encodable(text)):
            waiting.append(token)
            try:
                pieces.append(self._encoding.decode_bytes(waiting).decode())
            except UnicodeDecodeError:
                continue
            waiting = []
        return pieces


@lru_cache(maxsize=2)
def tokenizer(encoding: str) -> Tokenizer:
    """Return the tokenizer of an encoding, and load it unless it is loaded."""
    return Tokenizer(import_extension()(encoding, ""))


def import_extension() -> Any:
    """Return the extension's class.

    A server imports it at its start: later it may have no file descriptor left for that, and calls to settle.
    """
    from toktok._toktok import Tokenizer as Extension  # noqa: PLC0415  # commands that count nothing do without

    return Extension


def _encodable(text: str) -> str:
    """Return text without half surrogate pairs, which have no encoding."""
    return text if text.isascii() else text.encode(errors="replace").decode()

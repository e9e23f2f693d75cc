"""Cut a text into pieces, for streaming an answer that is complete already."""

import unicodedata
from collections.abc import Callable

Cut = Callable[[str], list[str]]
"""Cuts a text into pieces; joined, they are the text."""

PIECE_COUNT = 8
"""A stored answer is streamed in about this many pieces: enough to look like a stream, few enough to be cheap."""

_JOINERS = "\u200d\ufe0e\ufe0f"


def cut_evenly(text: str) -> list[str]:
    """Return pieces of about equal length, cut before nearby white space if possible, never within a grapheme."""
    size = max(16, -(-len(text) // PIECE_COUNT))
    pieces, start = [], 0
    while start < len(text):
        end = _next_cut(text, start + size)
        pieces.append(text[start:end])
        start = end
    return pieces


def _next_cut(text: str, at: int) -> int:
    for end in range(at, min(at + 16, len(text))):
        if text[end].isspace():
            return end
    while at < len(text) and _continues(text, at):
        at += 1
    return min(at, len(text))


def _continues(text: str, at: int) -> bool:
    """Whether the character at `at` belongs to the one before: a mark, a modifier, or a joined character."""
    character = text[at]
    return (
        unicodedata.category(character).startswith("M")
        or character in _JOINERS
        or text[at - 1] == "\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or "\U0001f1e6" <= character <= "\U0001f1ff"  # halves of flags
    )

"""Words for answers. Deterministic: the same seed says the same."""

import hashlib
from random import Random
from typing import Any

import msgspec

from tidegate.simulator.answers.counting import TokenCounter

_VOCABULARY = """
the tide water moon gate river sea comes goes slow again before after under over wide quiet harbour falls boat
rope salt wind stone light evening morning holds keeps turns high low shore and of to with
"""
"""Each word, with the space before it, is one token in OpenAI's encodings."""
_WORDS = tuple(_VOCABULARY.split())
_SENTENCE = 9
"""About so many words stand before a full stop."""


def prose(opening: str, random: Random, length: int | None, tokens: TokenCounter) -> list[str]:
    """The pieces of an answer that begins with `opening`; `length` None lets chance decide."""
    pieces = tokens.split(opening)
    wanted = len(pieces) + 12 + random.randrange(24) if length is None else length
    while len(pieces) < wanted:
        pieces.append(_next(pieces, random))
    return pieces[:wanted]


def _next(pieces: list[str], random: Random) -> str:
    """A word, with a capital after a full stop, or the full stop."""
    if not pieces or not pieces[-1][-1].isalnum():  # two marks in a row would be one token
        return " " + random.choice(_WORDS).capitalize()
    return "." if len(pieces) % (_SENTENCE + 1) == 0 else " " + random.choice(_WORDS)


def seed_of(value: Any) -> int:
    """A number that depends on the value alone, not on the order of its keys."""
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(value, order="deterministic")).digest()[:8], "big")

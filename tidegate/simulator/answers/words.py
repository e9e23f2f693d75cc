"""Words for answers. The same seed makes the same words."""

import hashlib
from random import Random
from typing import Any

import msgspec

from tidegate.core.tokenizer import Tokenizer

_VOCABULARY = """
the tide water moon gate river sea comes goes slow again before after under over wide quiet harbour falls boat
rope salt wind stone light evening morning holds keeps turns high low shore and of to with
"""
"""Each word, with the space before it, is one token in OpenAI's encodings."""
_WORDS = tuple(_VOCABULARY.split())
_SENTENCE = 9
"""The approximate number of words in a sentence."""


def prose(opening: str, random: Random, length: int | None, tokens: Tokenizer) -> list[str]:
    """Return the tokens of an answer that begins with `opening`; with `length` None its length is random."""
    pieces = tokens.split(opening)
    wanted = len(pieces) + 12 + random.randrange(24) if length is None else length
    while len(pieces) < wanted:
        pieces.append(_next(pieces, random))
    return pieces[:wanted]


def _next(pieces: list[str], random: Random) -> str:
    """Return a word, with a capital after a full stop, or a full stop."""
    if not pieces or not pieces[-1][-1].isalnum():  # two marks in a row would be one token
        return " " + random.choice(_WORDS).capitalize()
    return "." if len(pieces) % (_SENTENCE + 1) == 0 else " " + random.choice(_WORDS)


def seed_of(value: Any) -> int:
    """Return a number that depends on the value alone, and not on the order of its keys."""
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(value, order="deterministic")).digest()[:8], "big")

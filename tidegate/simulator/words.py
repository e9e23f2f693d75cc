"""Words for answers, and how many tokens words are. Deterministic: the same seed says the same."""

import hashlib
import re
from random import Random
from typing import Any

import msgspec

_TOKEN = re.compile(r"\s?\w{1,8}|\s?[^\w\s]|\s")
_VOCABULARY = """
the tide water moon gate river sea comes goes slowly again before after under over wide quiet harbour waits boat
rope salt wind stone light evening morning carries keeps turns high low shore and of to with
"""
_WORDS = tuple(_VOCABULARY.split())
_SENTENCE = 9
"""About so many words stand before a full stop."""


def tokens_of(text: str) -> list[str]:
    """The text cut into tokens of at most eight letters; joined they are the text."""
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """About how many tokens a text is: one for four bytes, as in English."""
    return (len(text.encode(errors="replace")) + 3) // 4


def prose(opening: str, random: Random, length: int | None) -> list[str]:
    """Tokens of an answer that begins with `opening`; `length` None lets chance decide."""
    tokens = tokens_of(opening)
    wanted = len(tokens) + 12 + random.randrange(24) if length is None else length
    while len(tokens) < wanted:
        tokens.append(_next(tokens, random))
    return tokens[:wanted]


def _next(tokens: list[str], random: Random) -> str:
    """A word, with a capital after a full stop, or the full stop."""
    if not tokens or tokens[-1] == ".":
        return " " + random.choice(_WORDS).capitalize()
    return "." if len(tokens) % (_SENTENCE + 1) == 0 else " " + random.choice(_WORDS)


def seed_of(value: Any) -> int:
    """A number that depends on the value alone, not on the order of its keys."""
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(value, order="deterministic")).digest()[:8], "big")

"""OpenAI's encodings."""

from functools import lru_cache
from typing import Any

from toktok._toktok import Tokenizer


@lru_cache
def o200k_base() -> Any:
    """Return the encoding of GPT-4o and later."""
    return Tokenizer("o200k_base", "")


@lru_cache
def cl100k_base() -> Any:
    """Return the encoding of the models before."""
    return Tokenizer("cl100k_base", "")

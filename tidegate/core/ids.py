"""Identifiers: opaque, unguessable, prefixed as OpenAI prefixes its own."""

import os
from collections.abc import Callable

IdSource = Callable[[str], str]


def new_id(prefix: str) -> str:
    """Return a new identifier: `prefix` followed by 32 hexadecimal digits (128 random bits)."""
    return prefix + os.urandom(16).hex()

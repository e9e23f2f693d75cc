"""Identifiers: opaque, unguessable, prefixed as OpenAI prefixes its own."""

import os
from collections.abc import Callable

IdSource = Callable[[str], str]

_BYTES, _BLOCK = 16, 64


def new_id(prefix: str) -> str:
    """Return a new identifier: `prefix` followed by 32 hexadecimal digits (128 random bits)."""
    return prefix + os.urandom(_BYTES).hex()


class IdBlocks:
    """Make the same identifiers for where one is needed for each call: the kernel is asked once for 64 of them."""

    def __init__(self, draw: Callable[[int], bytes] = os.urandom) -> None:
        """`draw` returns so many random bytes. Nothing is drawn before the first identifier is needed."""
        self._draw = draw
        self._drawn: list[str] = []

    def __call__(self, prefix: str) -> str:
        """Return a new identifier, as `new_id` does."""
        if not self._drawn:
            digits = self._draw(_BLOCK * _BYTES).hex()
            self._drawn = [digits[at : at + 2 * _BYTES] for at in range(0, len(digits), 2 * _BYTES)]
        return prefix + self._drawn.pop()

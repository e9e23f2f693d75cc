"""Holds memory for an answer while it arrives and is given out; what does not fit yet is not read."""

import sys

from tidegate.core.process.call_memory import MemoryHold

ANSWER_COPIES = 2
"""An answer in memory: as it came, and on its way to the client."""
SMALL_ANSWER_BYTES = 64 * 1024
"""A smaller answer is not counted."""
_STEP_BYTES = 128 * 1024
"""So much more is held than has arrived, as an answer comes in many pieces."""


class AnswerMemory:
    """The memory of one answer."""

    def __init__(self, hold: MemoryHold | None) -> None:
        """Without `hold` the memory has no bound."""
        self._hold = hold
        self.allowed_bytes = SMALL_ANSWER_BYTES if hold is not None else sys.maxsize
        """The size up to which the answer may be read."""

    async def hold(self, size: int) -> None:
        """Hold memory for an answer of this size so far; wait while there is none. Raises MemoryShareExceeded."""
        assert self._hold is not None  # noqa: S101  # it has no bound otherwise
        wanted = ANSWER_COPIES * (size + _STEP_BYTES)
        await self._hold.grow(max(0, wanted - self._hold.held_bytes))
        self.allowed_bytes = size + _STEP_BYTES

"""Stored answers that Redis gave within the last second, kept in this process: a question that many ask at once.

Redis decides who gets an answer while a limit applies to the caller. Where none does, the second of two equal calls
needs no round trip. An answer stays no longer than `NEAR_SECONDS`; what deletes answers waits as long before it says
that they are deleted.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from tidegate.core.values import AnswerHead

Pause = Callable[[float], Awaitable[None]]
"""Waits for so many seconds."""

NEAR_SECONDS = 1.0
MAX_BYTES = 16 * 1024 * 1024
"""Of all answers together."""


class NearAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A stored answer as its readers take it, and what the ledger says of it."""

    head: AnswerHead
    events: Sequence[bytes]
    """The events of a stream, or one whole body."""
    account: bytes
    """What the answer saves, a JSON object."""
    provider: str | None
    """The first target's, for an account that names none."""
    stored_at: float
    """Unix seconds."""
    begins_at: float
    """Unix seconds at which Redis gave it."""
    ends_at: float
    """Unix seconds from which on it is not given: it is no longer near, or no longer fresh."""
    size: int
    """Bytes."""


class NearAnswers:
    """The near answers of one process, by fingerprint. Bounded; the oldest leave first."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._answers: dict[str, NearAnswer] = {}
        """In the order in which they came."""
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<NearAnswers: {len(self._answers)}, {self._bytes} bytes>"

    def add(self, fingerprint: str, answer: NearAnswer, *, now: float) -> None:
        """Keep an answer that Redis has just given; `now` in Unix seconds."""
        self._remove(fingerprint)
        self._answers[fingerprint] = answer
        self._bytes += answer.size
        while self._answers:
            oldest = next(iter(self._answers))
            if self._bytes <= self._max_bytes and now < self._answers[oldest].ends_at:
                return
            self._remove(oldest)

    def find(self, fingerprint: str, *, max_age: int | None, now: float) -> NearAnswer | None:
        """Return the answer, if it is near and at most `max_age` seconds old."""
        answer = self._answers.get(fingerprint)
        # the first comparison fails after the clock was set back: nothing says then how long ago Redis gave it
        if answer is None or not answer.begins_at <= now < answer.ends_at:
            return None
        return answer if max_age is None or now - answer.stored_at <= max_age else None

    def _remove(self, fingerprint: str) -> None:
        removed = self._answers.pop(fingerprint, None)
        if removed is not None:
            self._bytes -= removed.size

"""Remembers how fast each target writes, to bound what it may have written unseen. Used by the accountant.

Each process learns from the streams that it has read to their end, and forgets all but the latest. It knows nothing at
its start, and then assumes the configured maximum.
"""

from collections import deque

from tidegate.core.values import Outcome

_REMEMBERED_STREAMS = 64
"""Of each target."""
_MAX_TARGETS = 512
_LEAST_TOKENS, _LEAST_SECONDS = 8, 0.1
"""A shorter stream says nothing of the pace: its events may have come together."""
_SLOWEST = 50.0
"""Tokens per second that are assumed at least: all of the latest streams may have had a slow moment."""
_MARGIN = 1.25
"""A stream is not written evenly: its unseen part may be faster than the rest."""
_EARLIEST_SHARE = 0.75
"""No answer begins in less than this share of the time in which the fastest one did."""


class PaceMemory:
    """The pace and the first content of the latest streams of each target."""

    def __init__(self, *, highest: int) -> None:
        """`highest` is the configured maximum, in tokens per second."""
        self._highest = highest
        self._streams: dict[str, deque[tuple[float, float]]] = {}
        """Tokens per second, and seconds until the first content, by target."""

    def learn(self, target: str, outcome: Outcome, tokens: int) -> None:
        """Remember a stream that was read to its end; `tokens` are those of one visible text."""
        pace = _pace(outcome, tokens)
        if pace is None:
            return
        streams = self._streams.get(target)
        if streams is None:
            if len(self._streams) >= _MAX_TARGETS:
                del self._streams[next(iter(self._streams))]
            streams = self._streams[target] = deque(maxlen=_REMEMBERED_STREAMS)
        streams.append((pace, outcome.seconds - outcome.silent_seconds - outcome.writing_seconds))

    def tokens_per_second(self, target: str, outcome: Outcome, tokens: int) -> float:
        """Return the most that the target writes in a second: from this stream's own pace and that of the latest ones.

        `tokens` are those that were read of one text. The configured maximum where nothing is known, and never more.
        """
        own = _pace(outcome, tokens)
        known = [pace for pace, _ in self._streams.get(target, ())] + ([] if own is None else [own])
        return min(self._highest, max(_SLOWEST, _MARGIN * max(known))) if known else self._highest

    def earliest_content(self, target: str) -> float:
        """Return the seconds before which no answer of the target begins; 0 where nothing is known."""
        return _EARLIEST_SHARE * min((first for _, first in self._streams.get(target, ())), default=0.0)


def _pace(outcome: Outcome, tokens: int) -> float | None:
    """Return the tokens per second of a stream; None where it was too short to tell."""
    if tokens < _LEAST_TOKENS or outcome.writing_seconds < _LEAST_SECONDS:
        return None
    return (tokens - 1) / outcome.writing_seconds  # the first was there at its begin

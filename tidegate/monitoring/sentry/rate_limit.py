"""At most ten events a minute of one kind; the rest is counted. No I/O."""

import threading
from collections import deque

MAX_A_MINUTE = 10
MAX_KINDS = 200
_SECONDS = 60.0


class _Kind:
    def __init__(self) -> None:
        self.passed_at: deque[float] = deque(maxlen=MAX_A_MINUTE)
        self.left_out = 0

    def is_full(self, now: float) -> bool:
        return len(self.passed_at) == MAX_A_MINUTE and now - self.passed_at[0] < _SECONDS

    def is_quiet(self, now: float) -> bool:
        return not self.left_out and now - self.passed_at[-1] >= _SECONDS


class RateLimit:
    """Says which events pass. Threads may share it."""

    def __init__(self) -> None:
        self.left_out = 0
        """All events that did not pass."""
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._lock = threading.Lock()

    def passes(self, kind: tuple[str, ...], now: float) -> int | None:
        """Return None if an event must not pass, otherwise how many of its kind did not since the last that passed.

        `now` is in seconds of a clock that never goes back.
        """
        with self._lock:
            known = self._kinds.get(kind) or self._remember(kind, now)
            if known is None or known.is_full(now):
                self.left_out += 1
                if known is not None:
                    known.left_out += 1
                return None
            known.passed_at.append(now)
            before, known.left_out = known.left_out, 0
            return before

    def _remember(self, kind: tuple[str, ...], now: float) -> _Kind | None:
        """Return room for another kind; None if there are too many."""
        if len(self._kinds) >= MAX_KINDS:
            self._kinds = {name: known for name, known in self._kinds.items() if not known.is_quiet(now)}
            if len(self._kinds) >= MAX_KINDS:
                return None
        self._kinds[kind] = _Kind()
        return self._kinds[kind]

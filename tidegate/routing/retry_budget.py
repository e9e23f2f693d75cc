"""Limit retries of the same target: how long to wait before each, and how many there may be in all.

By default retries are a tenth of the traffic at most, so an outage does not get more load. Each process keeps its own
budget: if no process exceeds a tenth of its calls, the fleet does not either. `FallbackChain` has one of these.
"""

from collections import deque

FIRST_WAIT_SECONDS = 0.25
MAX_WAIT_SECONDS = 8.0


def backoff(retries: int, draw: float, retry_after: float | None) -> float:
    """Return the seconds before the next retry after so many `retries`; `draw` is a random number below 1.

    The wait doubles each time, with a random part of half its length; it is never shorter than `retry_after`.
    """
    most = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0**retries)
    return max(retry_after or 0.0, most * (0.5 + draw / 2))


class RetryBudget:
    """The retries that recent traffic allows. `now` is on the monotonic clock."""

    def __init__(self, *, ratio: float, minimum: int, window_seconds: float = 10.0) -> None:
        """Allow `ratio` of the calls in `window_seconds`, and at least `minimum` where there are few calls."""
        self._ratio = ratio
        self._minimum = minimum
        self._window = window_seconds
        self._calls = 0
        self._retries = 0
        self._recent: deque[tuple[float, bool, int]] = deque()
        """Time, whether retries, and count; entries within a hundredth of the window are merged."""

    def add_call(self, now: float) -> None:
        """Count a call."""
        self._calls += 1
        self._add(now, retry=False)

    def allows(self, now: float) -> bool:
        """Return whether one more retry is allowed."""
        return self.remaining(now) > 0

    def remaining(self, now: float) -> int:
        """Return how many more retries are allowed."""
        self._expire(now)
        return max(0, max(self._minimum, int(self._ratio * self._calls)) - self._retries)

    def add_retry(self, now: float) -> None:
        """Count a retry."""
        self._retries += 1
        self._add(now, retry=True)

    def _add(self, now: float, *, retry: bool) -> None:
        if self._recent:
            at, kind, count = self._recent[-1]
            if kind is retry and now - at < self._window / 100:
                self._recent[-1] = (at, kind, count + 1)
                return
        self._recent.append((now, retry, 1))
        self._expire(now)

    def _expire(self, now: float) -> None:
        while self._recent and self._recent[0][0] <= now - self._window:
            _, retry, count = self._recent.popleft()
            if retry:
                self._retries -= count
            else:
                self._calls -= count

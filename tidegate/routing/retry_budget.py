"""How long to wait before the same target is asked again, and how often that may be in all.

Retries are a tenth of the traffic at most, so an outage is not answered with more load. Each process keeps its own
share: if none of them exceeds a tenth of its calls, the fleet does not either.
"""

from collections import deque

FIRST_WAIT_SECONDS = 0.25
MAX_WAIT_SECONDS = 8.0


def backoff(retries: int, draw: float, retry_after: float | None) -> float:
    """Seconds before the next try, after so many; `draw` is a random number below 1.

    Doubled each time, and anything between half of it and the whole; never less than the upstream's own word.
    """
    most = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0**retries)
    return max(retry_after or 0.0, most * (0.5 + draw / 2))


class RetryBudget:
    """How many retries recent traffic allows. `now` is on the monotonic clock."""

    def __init__(self, *, ratio: float, minimum: int, window_seconds: float = 10.0) -> None:
        """At most `share` of the calls in `window` seconds; so many as `floor` where there are few calls."""
        self._ratio = ratio
        self._minimum = minimum
        self._window = window_seconds
        self._calls = 0
        self._retries = 0
        self._recent: deque[tuple[float, bool, int]] = deque()
        """By moment: whether they were retries, and how many; moments within a hundredth of the window are one."""

    def add_call(self, now: float) -> None:
        """A call came in."""
        self._calls += 1
        self._add(now, retry=False)

    def allows(self, now: float) -> bool:
        """Whether there is a retry left."""
        return self.remaining(now) > 0

    def remaining(self, now: float) -> int:
        """How many retries recent traffic allows still."""
        self._expire(now)
        return max(0, max(self._minimum, int(self._ratio * self._calls)) - self._retries)

    def add_retry(self, now: float) -> None:
        """A retry is made."""
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

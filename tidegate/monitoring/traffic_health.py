"""Derives the upstream's health from real traffic, and from a free probe only where there is none.

Called for `/health`.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import TidegateError

WINDOW_SECONDS = 60.0
"""The period of traffic that counts."""
PROBE_SECONDS = 30.0
"""The shortest time between two free probes."""
_MAX_CALLS = 1000

_NOT_UPSTREAM_FAILURES = frozenset(
    {
        "client_disconnected",
        "upstream_rejected",
        "model_not_found",
        "upstream_not_found",
        "context_length_exceeded",
        "content_policy_violation",
        "error_in_stream",
        "request_exceeds_upstream_limit",
        "unfinished_answer",
    }
)
"""Errors that a healthy upstream returns, too."""


class UpstreamState(Enum):
    """The state of the upstream, in words for people and load balancers."""

    UNKNOWN = "unknown"
    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class UpstreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream's state and the figures behind it."""

    status: str
    """An `UpstreamState` value."""
    calls: int
    """Calls within the window."""
    failures: dict[str, int]
    """By error name, within the window."""
    last_success_seconds_ago: float | None
    last_failure_seconds_ago: float | None
    probed: bool
    """Whether the state comes from a free probe, because there was no traffic."""


class TrafficHealth:
    """Records how recent calls ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: deque[tuple[float, str | None]] = deque(maxlen=_MAX_CALLS)
        self._last_success: float | None = None
        self._last_failure: float | None = None
        self._probed_at: float | None = None
        self._probe_error: str | None = None

    def record(self, error: TidegateError | None) -> None:
        """Record a call that ended with this error or none."""
        now = self._clock.monotonic()
        failed = error.name if error is not None and error.name not in _NOT_UPSTREAM_FAILURES else None
        self._recent.append((now, failed))
        if failed:
            self._last_failure = now
        elif error is None:
            self._last_success = now

    async def report(self, probe: Callable[[], Awaitable[None]]) -> UpstreamReport:
        """Return the present state; `probe` makes a free call, or raises TidegateError."""
        now = self._clock.monotonic()
        while self._recent and now - self._recent[0][0] > WINDOW_SECONDS:
            self._recent.popleft()
        if self._recent:
            return self._report_of(now, self._from_traffic(), probed=False)
        if self._probed_at is None or now - self._probed_at >= PROBE_SECONDS:
            await self._probe(probe)
        status = (
            UpstreamState.UNKNOWN
            if self._probed_at is None
            else UpstreamState.DOWN
            if self._probe_error
            else UpstreamState.OK
        )
        return self._report_of(now, status, probed=True)

    async def _probe(self, probe: Callable[[], Awaitable[None]]) -> None:
        self._probed_at = self._clock.monotonic()
        try:
            await probe()
        except TidegateError as error:
            self._probe_error = error.name
        else:
            self._probe_error = None

    def _from_traffic(self) -> UpstreamState:
        failed = sum(1 for _, error in self._recent if error)
        if not failed:
            return UpstreamState.OK
        return UpstreamState.DOWN if failed == len(self._recent) else UpstreamState.DEGRADED

    def _report_of(self, now: float, status: UpstreamState, *, probed: bool) -> UpstreamReport:
        failures: dict[str, int] = {}
        for _, error in self._recent:
            if error:
                failures[error] = failures.get(error, 0) + 1
        if probed and self._probe_error:
            failures[self._probe_error] = 1
        return UpstreamReport(
            status=status.value,
            calls=len(self._recent),
            failures=failures,
            last_success_seconds_ago=_ago(now, self._last_success),
            last_failure_seconds_ago=_ago(now, self._last_failure),
            probed=probed,
        )


def _ago(now: float, then: float | None) -> float | None:
    return None if then is None else round(now - then, 3)

"""The report on the queue: which requests wait for the upstream, since when, and for how much longer.

`/admin/v1/queue` and `tidegate queue` show it.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from tidegate.core.values import Priority
from tidegate.queue.messages import LaneLimits
from tidegate.queue.store import LaneSnapshot, WaitingEntry

_WINDOW_SECONDS = 60.0
"""Seconds: limits are per minute."""


class LaneReader(Protocol):
    """The store of the lanes."""

    async def snapshot(self, now: float, *, limit: int) -> tuple[LaneSnapshot, ...]:
        """Return all lanes with a queue, and the first `limit` entries of each. Raises RedisUnavailable."""
        ...


class WaitingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits. Times are in seconds."""

    request: str
    project: str
    priority: Priority
    tokens: int
    """The estimated tokens of the request."""
    waited: float
    estimate: float | None
    """Until its grant, at the known rate; None where no rate is known."""
    left: float
    """Until its deadline."""


class LaneStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The queue in front of one credential and model."""

    name: str
    rpm: int | None
    """The upstream's limit on requests per minute; None while it is not known."""
    tpm: int | None
    """The upstream's limit on tokens per minute, likewise."""
    unanswered: int
    """Requests that were sent and not answered yet."""
    held_for: float
    """Seconds for which the upstream has asked the gateway to send nothing."""
    waiting: int
    waiters: tuple[WaitingCall, ...]
    """The first waiting requests, in the order in which they will be sent."""


class QueueReport:
    """Read the lanes and estimate the waits."""

    def __init__(self, lanes: LaneReader, lane_limits: Callable[[str], LaneLimits]) -> None:
        """`lane_limits` returns the configured limits of a lane; they take precedence over learnt ones."""
        self._lanes = lanes
        self._lane_limits = lane_limits

    async def read(self, now: float, *, limit: int) -> tuple[LaneStatus, ...]:
        """Return the lanes by name, and the first `limit` waiting requests of each. Raises RedisUnavailable."""
        shown = await self._lanes.snapshot(now, limit=limit)
        return tuple(self._lane(lane) for lane in sorted(shown, key=lambda lane: lane.name))

    def _lane(self, shown: LaneSnapshot) -> LaneStatus:
        terms = self._lane_limits(shown.name)
        rpm, tpm = terms.rpm or shown.rpm or None, terms.tpm or shown.tpm or None
        waiters = []
        tokens = 0
        for calls, head in enumerate(shown.first_entries, start=1):
            tokens += head.tokens
            waiters.append(_waiter(head, _estimate_seconds(calls, tokens, rpm, tpm, shown.held_for)))
        return LaneStatus(
            name=shown.name,
            rpm=rpm,
            tpm=tpm,
            unanswered=shown.unanswered,
            held_for=shown.held_for,
            waiting=shown.waiting,
            waiters=tuple(waiters),
        )


def _estimate_seconds(calls: int, tokens: int, rpm: int | None, tpm: int | None, held_for: float) -> float | None:
    """Return the seconds until this many requests with this many tokens are sent; the slower limit decides."""
    spans = [amount * _WINDOW_SECONDS / rate for amount, rate in ((calls, rpm), (tokens, tpm)) if rate is not None]
    return held_for + max(spans) if spans else None


def _waiter(head: WaitingEntry, estimate: float | None) -> WaitingCall:
    return WaitingCall(
        request=head.request,
        project=head.flow,
        priority=Priority(head.weight),
        tokens=head.tokens,
        waited=head.waited,
        estimate=estimate,
        left=head.left,
    )

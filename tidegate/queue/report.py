"""Who waits for the upstream, for how long, and how long it may still take."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from tidegate.core.values import Priority
from tidegate.queue.messages import LaneLimits
from tidegate.queue.store import LaneSnapshot, WaitingEntry

_WINDOW_SECONDS = 60.0
"""Seconds: limits are per minute."""


class LaneReader(Protocol):
    """Where the queues are kept."""

    async def snapshot(self, now: float, *, limit: int) -> tuple[LaneSnapshot, ...]:
        """All lanes with a queue, and the first `most` of each. Raises RedisUnavailable."""
        ...


class WaitingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that waits. Times are in seconds."""

    request: str
    project: str
    priority: Priority
    tokens: int
    """The estimate of what it will use."""
    waited: float
    estimate: float | None
    """Until its turn, at the rate that is known; None where none is."""
    left: float
    """Until its deadline."""


class LaneStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The queue in front of one credential and model."""

    name: str
    rpm: int | None
    """Requests per minute that the upstream takes; None while not known."""
    tpm: int | None
    """Tokens per minute, likewise."""
    unanswered: int
    """Calls under way."""
    held_for: float
    """Seconds for which the upstream's word holds everybody back."""
    waiting: int
    waiters: tuple[WaitingCall, ...]
    """The first of them, in the order of their going."""


class QueueReport:
    """Reads the lanes."""

    def __init__(self, lanes: LaneReader, lane_limits: Callable[[str], LaneLimits]) -> None:
        """`terms` gives the configured limits of a lane, which count before those learnt."""
        self._lanes = lanes
        self._lane_limits = lane_limits

    async def read(self, now: float, *, limit: int) -> tuple[LaneStatus, ...]:
        """The lanes by name, and the first `most` waiters of each. Raises RedisUnavailable."""
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
    """Until so many calls with so many tokens had their turn; the slower limit decides."""
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

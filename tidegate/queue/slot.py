"""Queue slots: a request waits here until it may be sent, and reports here how the upstream received it.

A slot needs two things: capacity of the lane, which all processes share (`Waiters`), and one of this process's
`queue.max_in_flight` slots (`LocalSlots`). The upstream call waits for the slot before it sends, and releases it at
the end.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import QueueFull, QueueTimeout, SlowDown, UpstreamRateLimited
from tidegate.core.rate_limits import ReportedLimits
from tidegate.queue.capacity import MAX_BACKOFF_SECONDS
from tidegate.queue.local_slots import LocalSlots
from tidegate.queue.messages import Granted, LaneLimits, QueueEntry, QueuePosition, QueueVerdict
from tidegate.queue.waiters import Waiters

MAX_SENDS = 5
"""The most times that one request is sent while the upstream rejects it with 429; then its caller gets the 429."""


class QueueSlots:
    """Create queue slots. At most `in_flight` requests of this process are at the upstream at once."""

    def __init__(
        self,
        waiters: Waiters,
        *,
        lane_limits: Callable[[str], LaneLimits],
        in_flight: int,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`pause` waits before a request is sent again."""
        self._pause = pause
        self._waiters = waiters
        self.lane_limits = lane_limits
        """Return the configured limits of a lane."""
        self._local_slots = LocalSlots(in_flight)
        self._clock = clock

    def slot(self, lane: str, entry: QueueEntry, verdict: QueueVerdict | None) -> "QueueSlot":
        """Return a slot of a lane. `verdict` is the queue's verdict at admission, None where the lane was not asked."""
        return QueueSlot(self._waiters, self._local_slots, self._clock, lane, entry, verdict, pause=self._pause)


class QueueSlot:
    """One request's slot; implements `tidegate.routing.attempt.UpstreamSlot`."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        waiters: Waiters,
        local_slots: LocalSlots,
        clock: Clock,
        lane: str,
        entry: QueueEntry,
        verdict: QueueVerdict | None,
        *,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._pause = pause
        self._waiters = waiters
        self._local_slots = local_slots
        self._clock = clock
        self._lane = lane
        self._entry = entry
        self._verdict = verdict
        self._position: QueuePosition | None = None
        self._in_flight = False
        self._sent_at = 0.0
        self._unanswered = False
        self._sends = 1
        self._retry_after = 0.0
        self.is_isolated_refusal = False
        """Whether the latest 429 concerns this call or its project only."""
        self.waited_seconds = 0.0
        """Seconds that the request has waited so far."""

    def take_at_once(self) -> bool:
        """Take the slot if admission granted it and this process has room; return whether. `wait` need not, then."""
        if not isinstance(self._verdict, Granted) or not self._local_slots.take_free(self._entry.flow):
            return False
        self._position = self._verdict.position
        self._in_flight = self._unanswered = True
        self._sent_at = self._clock.monotonic()
        return True

    async def wait(self) -> None:
        """Wait until the request may be sent. Raises QueueFull and QueueTimeout; a cancelled wait returns its grant."""
        if self._in_flight:
            return
        began = self._clock.monotonic()
        try:
            if isinstance(self._verdict, Granted):
                self._position = self._verdict.position
            else:
                await self._take_position()
            await self._take_local_slot()
        finally:
            self._sent_at = self._clock.monotonic()
            self.waited_seconds += self._sent_at - began
        self._unanswered = True

    def report_answer(self, limits: ReportedLimits, *, ok: bool) -> None:
        """Report that the upstream answered, with these limits in its response."""
        self._unanswered = False
        age = self._clock.monotonic() - self._sent_at
        self._waiters.feedback.report_answer(self._lane, self._entry.flow, limits, ok=ok, age=age)

    def report_failure(self) -> None:
        """Report that the upstream failed without a response of its own."""
        self.report_answer(ReportedLimits(), ok=False)
        self._waiters.feedback.report_outage(self._lane)

    def report_rate_limit(self, limits: ReportedLimits, error: UpstreamRateLimited | SlowDown) -> None:
        """Report that the upstream rejected the request for its rate, with these limits in its response."""
        kind = error.kind if isinstance(error, UpstreamRateLimited) else error.name
        age = self._clock.monotonic() - self._sent_at
        self._unanswered = False
        self.is_isolated_refusal = self._waiters.feedback.report_rate_limit(
            self._lane, self._entry.flow, limits, kind, error.retry_after, tokens=self._entry.tokens, age=age
        )
        backoff = min(MAX_BACKOFF_SECONDS, 2.0 ** (self._sends - 1))
        self._retry_after = backoff if error.retry_after is None else error.retry_after

    async def wait_again(self) -> bool:
        """Wait for another grant after a 429; return False if the request's deadline does not allow it.

        The request itself waits as long as the 429 asks, also where the lane goes on without a pause.
        """
        if self._sends >= MAX_SENDS or self._clock.now() + self._retry_after > self._entry.deadline:
            return False
        self._sends += 1
        self.release()
        waited = self.waited_seconds
        if self.is_isolated_refusal:  # the lane goes on: without a slot and a grant, which others can use meanwhile
            await self._pause_for(self._retry_after)
        # else the lane, not knowing of the 429, would grant the request at once
        await self._waiters.feedback.flush(self._lane)
        self._verdict = None
        self._entry = msgspec.structs.replace(self._entry, position=self._position)
        try:
            await self.wait()
        except (QueueFull, QueueTimeout):
            return False  # the caller gets the upstream's own 429, which says more
        left = self._retry_after - (self.waited_seconds - waited)
        if left > 0:
            await self._pause_for(left)
            self._sent_at = self._clock.monotonic()
        return True

    async def _pause_for(self, seconds: float) -> None:
        await self._pause(seconds)
        self.waited_seconds += seconds

    def release(self) -> None:
        """Free the slot: the request is no longer at the upstream."""
        if self._unanswered:
            # cut short: no limits were reported, but the request is no longer unanswered
            self.report_answer(ReportedLimits(), ok=False)
        if self._in_flight:
            self._in_flight = False
            self._local_slots.release(self._entry.flow)

    def decline(self) -> None:
        """Return what admission granted: the request is not sent in this lane."""
        if self._verdict is not None:
            self._waiters.decline(self._lane, self._entry, self._verdict)

    async def _take_position(self) -> None:
        if self._verdict is None:
            self._position = await self._waiters.enter(self._lane, self._entry)
        else:
            self._position = await self._waiters.wait(self._lane, self._entry, self._verdict)

    async def _take_local_slot(self) -> None:
        if self._local_slots.take_free(self._entry.flow):
            self._in_flight = True
            return
        try:
            async with asyncio.timeout(max(0.0, self._entry.deadline - self._clock.now())):
                await self._local_slots.take(self._entry.flow)
        except TimeoutError as error:
            self._waiters.give_back(self._lane, self._entry)
            limit = "This process has reached its limit on upstream requests in flight (`queue.max_in_flight`)."
            raise QueueTimeout(limit) from error
        except asyncio.CancelledError:
            self._waiters.give_back(self._lane, self._entry)
            raise
        self._in_flight = True

"""One call's turn at the upstream: the wait for the lane and for a free place here, and what was heard."""

import asyncio
from collections.abc import Callable

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import QueueFull, QueueTimeout, SlowDown, UpstreamRateLimited
from tidegate.core.rate_limits import ReportedLimits
from tidegate.queue.messages import Granted, LaneLimits, QueueEntry, QueuePosition, QueueVerdict
from tidegate.queue.waiters import Waiters

MAX_SENDS = 5
"""Times that one call is sent though the upstream's rate limit refuses it; then its caller learns of it."""


class QueueSlots:
    """Gives out turns; at most `in_flight` calls of this process are at the upstream at once."""

    def __init__(
        self, waiters: Waiters, *, lane_limits: Callable[[str], LaneLimits], in_flight: int, clock: Clock
    ) -> None:
        self._waiters = waiters
        self.lane_limits = lane_limits
        """What the configuration says of a lane."""
        self._free = asyncio.Semaphore(in_flight)
        self._clock = clock

    def slot(self, lane: str, entry: QueueEntry, verdict: QueueVerdict | None) -> "QueueSlot":
        """A turn in a lane; `verdict` is what the lane said at admission, None where it was not asked."""
        return QueueSlot(self._waiters, self._free, self._clock, lane, entry, verdict)


class QueueSlot:
    """Implements `tidegate.routing.upstream_call.Turn`."""

    def __init__(
        self,
        waiters: Waiters,
        free: asyncio.Semaphore,
        clock: Clock,
        lane: str,
        entry: QueueEntry,
        verdict: QueueVerdict | None,
    ) -> None:
        self._waiters = waiters
        self._free = free
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
        self.waited_seconds = 0.0
        """Seconds spent waiting so far."""

    async def wait(self) -> None:
        """Wait for the turn. Raises QueueFull and QueueTimeout; cancelled, it is passed on."""
        began = self._clock.monotonic()
        try:
            if isinstance(self._verdict, Granted):
                self._position = self._verdict.position
            else:
                await self._take_place()
            await self._take_free()
        finally:
            self._sent_at = self._clock.monotonic()
            self.waited_seconds += self._sent_at - began
        self._unanswered = True

    def report_answer(self, limits: ReportedLimits, *, ok: bool) -> None:
        """The upstream answered, and said this of its limits."""
        self._unanswered = False
        self._waiters.feedback.report_answer(self._lane, limits, ok=ok, age=self._clock.monotonic() - self._sent_at)

    def report_failure(self) -> None:
        """The upstream gave no answer of its own."""
        self.report_answer(ReportedLimits(), ok=False)
        self._waiters.feedback.report_outage(self._lane)

    def report_rate_limit(self, limits: ReportedLimits, error: UpstreamRateLimited | SlowDown) -> None:
        """The upstream refused for its rate, and said this of its limits."""
        kind = error.kind if isinstance(error, UpstreamRateLimited) else error.name
        age = self._clock.monotonic() - self._sent_at
        self._unanswered = False
        self._waiters.feedback.report_rate_limit(
            self._lane, limits, kind, error.retry_after, tokens=self._entry.tokens, age=age
        )
        self._retry_after = error.retry_after or 0.0

    async def wait_again(self) -> bool:
        """After a refusal: wait for another turn; False where the call's time does not allow it."""
        if self._sends >= MAX_SENDS or self._clock.now() + self._retry_after > self._entry.deadline:
            return False
        self._sends += 1
        self.release()
        await self._waiters.feedback.flush(
            self._lane
        )  # else a lane that has not heard of it would let the call go at once
        self._verdict = None
        self._entry = msgspec.structs.replace(self._entry, position=self._position)
        try:
            await self.wait()
        except (QueueFull, QueueTimeout):
            return False  # the upstream's own refusal says more
        return True

    def release(self) -> None:
        """The call is no longer at the upstream."""
        if self._unanswered:
            self.report_answer(
                ReportedLimits(), ok=False
            )  # cut short: nothing was learnt, but nothing is on its way any more
        if self._in_flight:
            self._in_flight = False
            self._free.release()

    def decline(self) -> None:
        """The turn is not taken at all: what admission gave goes to others."""
        if self._verdict is not None:
            self._waiters.decline(self._lane, self._entry, self._verdict)

    async def _take_place(self) -> None:
        if self._verdict is None:
            self._position = await self._waiters.enter(self._lane, self._entry)
        else:
            self._position = await self._waiters.wait(self._lane, self._entry, self._verdict)

    async def _take_free(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            self._in_flight = True
            return
        try:
            async with asyncio.timeout(max(0.0, self._entry.deadline - self._clock.now())):
                await self._free.acquire()
        except TimeoutError as error:
            self._waiters.give_back(self._lane, self._entry)
            raise QueueTimeout("This process's upstream calls (`queue.max_in_flight`) are all taken.") from error
        except asyncio.CancelledError:
            self._waiters.give_back(self._lane, self._entry)
            raise
        self._in_flight = True

"""One call's turn at the upstream: the wait for the lane and for a free place here, and what was heard."""

import asyncio
from collections.abc import Callable

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import QueueFull, QueueTimeout, RateLimited, SlowDown
from tidegate.core.rate_limits import Said
from tidegate.queue.messages import Granted, LaneTerms, Place, Ticket, Verdict
from tidegate.queue.waiters import Places

MOST_TURNS = 5
"""Times that one call is sent though the upstream's rate limit refuses it; then its caller learns of it."""


class Turns:
    """Gives out turns; at most `in_flight` calls of this process are at the upstream at once."""

    def __init__(self, places: Places, *, terms: Callable[[str], LaneTerms], in_flight: int, clock: Clock) -> None:
        self._places = places
        self.terms = terms
        """What the configuration says of a lane."""
        self._free = asyncio.Semaphore(in_flight)
        self._clock = clock

    def turn(self, lane: str, ticket: Ticket, verdict: Verdict | None) -> "Turn":
        """A turn in a lane; `verdict` is what the lane said at admission, None where it was not asked."""
        return Turn(self._places, self._free, self._clock, lane, ticket, verdict)


class Turn:
    """Implements `tidegate.routing.upstream_call.Turn`."""

    def __init__(
        self,
        places: Places,
        free: asyncio.Semaphore,
        clock: Clock,
        lane: str,
        ticket: Ticket,
        verdict: Verdict | None,
    ) -> None:
        self._places = places
        self._free = free
        self._clock = clock
        self._lane = lane
        self._ticket = ticket
        self._verdict = verdict
        self._place: Place | None = None
        self._holds_free = False
        self._sent_at = 0.0
        self._unanswered = False
        self._turns = 1
        self._told_to_wait = 0.0
        self.waited = 0.0
        """Seconds spent waiting so far."""

    async def come(self) -> None:
        """Wait for the turn. Raises QueueFull and QueueTimeout; cancelled, it is passed on."""
        began = self._clock.monotonic()
        try:
            if isinstance(self._verdict, Granted):
                self._place = self._verdict.place
            else:
                await self._take_place()
            await self._take_free()
        finally:
            self._sent_at = self._clock.monotonic()
            self.waited += self._sent_at - began
        self._unanswered = True

    def answered(self, said: Said, *, ok: bool) -> None:
        """The upstream answered, and said this of its limits."""
        self._unanswered = False
        self._places.news.answered(self._lane, said, ok=ok, age=self._clock.monotonic() - self._sent_at)

    def failed(self) -> None:
        """The upstream gave no answer of its own."""
        self.answered(Said(), ok=False)
        self._places.news.outage(self._lane)

    def refused(self, said: Said, error: RateLimited | SlowDown) -> None:
        """The upstream refused for its rate, and said this of its limits."""
        kind = error.kind if isinstance(error, RateLimited) else error.name
        age = self._clock.monotonic() - self._sent_at
        self._unanswered = False
        self._places.news.refused(self._lane, said, kind, error.retry_after, tokens=self._ticket.tokens, age=age)
        self._told_to_wait = error.retry_after or 0.0

    async def again(self) -> bool:
        """After a refusal: wait for another turn; False where the call's time does not allow it."""
        if self._turns >= MOST_TURNS or self._clock.now() + self._told_to_wait > self._ticket.deadline:
            return False
        self._turns += 1
        self.over()
        await self._places.news.spread(self._lane)  # else a lane that has not heard of it would let the call go at once
        self._verdict = None
        self._ticket = msgspec.structs.replace(self._ticket, place=self._place)
        try:
            await self.come()
        except (QueueFull, QueueTimeout):
            return False  # the upstream's own refusal says more
        return True

    def over(self) -> None:
        """The call is no longer at the upstream."""
        if self._unanswered:
            self.answered(Said(), ok=False)  # cut short: nothing was learnt, but nothing is on its way any more
        if self._holds_free:
            self._holds_free = False
            self._free.release()

    def decline(self) -> None:
        """The turn is not taken at all: what admission gave goes to others."""
        if self._verdict is not None:
            self._places.decline(self._lane, self._ticket, self._verdict)

    async def _take_place(self) -> None:
        if self._verdict is None:
            self._place = await self._places.enter(self._lane, self._ticket)
        else:
            self._place = await self._places.wait(self._lane, self._ticket, self._verdict)

    async def _take_free(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            self._holds_free = True
            return
        try:
            async with asyncio.timeout(max(0.0, self._ticket.deadline - self._clock.now())):
                await self._free.acquire()
        except TimeoutError as error:
            self._places.give_back(self._lane, self._ticket)
            raise QueueTimeout("This process's upstream calls (`queue.in_flight`) are all taken.") from error
        except asyncio.CancelledError:
            self._places.give_back(self._lane, self._ticket)
            raise
        self._holds_free = True

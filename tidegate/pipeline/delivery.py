"""An answer on its way to one caller, in the form this caller asked for, with this caller's own words in it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import ClientGone, TidegateError
from tidegate.core.values import AnswerHead
from tidegate.limits.decision import Allowance
from tidegate.wire import answer_form
from tidegate.wire.stream_observer import is_extra_chunk, is_terminal

Book = Callable[[TidegateError | None, int], Awaitable[None]]
"""Writes a passenger's line into the ledger, given how it ended and what the answer cost in nano-dollars."""


class Journey(Protocol):
    """What brings an answer: a flight, or a stored answer."""

    @property
    def cost_nanos(self) -> int:
        """What the answer cost to get, once it is over."""
        ...

    def board(self) -> None:
        """Count one who waits."""
        ...

    def leave(self) -> None:
        """Count one less."""
        ...

    async def opened(self) -> AnswerHead:
        """Wait for the answer to begin."""
        ...

    async def event(self, index: int) -> bytes | None:
        """Wait for one of its events."""
        ...


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The form in which a caller wants its answer."""

    route: Endpoint
    stream: bool
    usage_chunk: bool
    """Whether a chat stream may carry its usage chunk."""
    echo: str
    """The caller's own words that a Response repeats."""


class Passage(Protocol):
    """What whoever serves a caller reads the answer from, and must `leave` in the end."""

    wanted: Wanted

    @property
    def cache(self) -> str:
        """What the cache did."""
        ...

    @property
    def age(self) -> float | None:
        """Seconds since a stored answer was stored."""
        ...

    @property
    def allowance(self) -> Allowance:
        """What is left of the caller's limits."""
        ...

    @property
    def cost_nanos(self) -> int:
        """What this caller's call cost, in nano-dollars; known once the answer is complete."""
        ...

    async def opened(self) -> AnswerHead:
        """Wait for the answer to begin. Raises TidegateError."""
        ...

    async def next(self) -> bytes | None:
        """The next event of the stream, None at its end. Raises TidegateError."""
        ...

    async def whole(self) -> bytes:
        """The answer in one piece. Raises TidegateError."""
        ...

    async def leave(self) -> None:
        """The caller is served, or gone."""
        ...


class Delivery:
    """One caller's passage. Whoever is given one must `leave` it in the end.

    `opened` and `next` may be cancelled and called again without loss, so that the waiting can be interrupted
    by heartbeats.
    """

    def __init__(
        self,
        journey: Journey,
        wanted: Wanted,
        *,
        cache: str,
        allowance: Allowance | None = None,
        age: float | None = None,
        book: Book | None = None,
    ) -> None:
        """`cache` is what `x-tidegate-cache` says, `age` seconds for `Age`; `book` where no one else keeps the line."""
        self.wanted = wanted
        self.cache = cache
        self.age = age
        self.allowance = allowance or Allowance()
        self._journey = journey
        self._book = book
        self._usage_chunk = wanted.usage_chunk
        self._index = 0
        self._streams: bool | None = None
        """Whether the answer comes as events; None until that is known."""
        self._converted: list[bytes] | None = None
        self._words: answer_form.OwnWords | None = None
        self._booking: asyncio.Future[None] | None = None
        journey.board()

    @property
    def cost_nanos(self) -> int:
        """What this caller's call cost, in nano-dollars; known once the answer is complete."""
        return self._journey.cost_nanos if self.cache in ("miss", "off") else 0

    def give_all(self) -> None:
        """Leave nothing out that came, the usage chunk neither: whoever reads on chooses."""
        self._usage_chunk = True

    async def opened(self) -> AnswerHead:
        """Wait for the answer to begin. Raises TidegateError."""
        try:
            head = await self._journey.opened()
        except TidegateError as error:
            await self._booked(error)
            raise
        if head.echo != self.wanted.echo and self._words is None:
            self._words = answer_form.OwnWords(self.wanted.echo)
        return head

    async def next(self) -> bytes | None:
        """The next event of the stream, None at its end. Raises TidegateError."""
        try:
            while (event := await self._event()) is not None:
                if is_terminal(self.wanted.route, event):
                    await self._booked(None)
                self._index += 1
                if self._usage_chunk or not is_extra_chunk(event):
                    return self._words.in_event(event) if self._words else event
            await self._booked(None)
        except TidegateError as error:
            await self._booked(error)
            raise
        else:
            return None

    async def whole(self) -> bytes:
        """The answer in one piece. Raises TidegateError."""
        head = await self.opened()
        try:
            events = await self._all()
            body = answer_form.as_whole(self.wanted.route, events) if head.stream else b"".join(events)
            body = self._words.in_whole(body) if self._words else body
        except TidegateError as error:
            await self._booked(error)
            raise
        await self._booked(None)
        return body

    async def leave(self) -> None:
        """The caller is served, or gone."""
        self._journey.leave()  # first: it must not depend on the ledger, nor wait for it
        if self._book is not None:
            await self._booked(ClientGone())

    async def _event(self) -> bytes | None:
        if self._streams is None:
            self._streams = (await self._journey.opened()).stream
        if not self._streams and self._converted is None:
            body = b"".join(await self._all())
            self._converted = answer_form.as_events(self.wanted.route, body)
        if self._converted is None:
            return await self._journey.event(self._index)
        return self._converted[self._index] if self._index < len(self._converted) else None

    async def _all(self) -> list[bytes]:
        events: list[bytes] = []
        while (event := await self._journey.event(len(events))) is not None:
            events.append(event)
        return events

    async def _booked(self, error: TidegateError | None) -> None:
        if self._book is not None and self._booking is None:
            booking = self._book(error, self._journey.cost_nanos)
            self._booking = asyncio.ensure_future(booking)
        if self._booking is not None:
            await asyncio.shield(self._booking)

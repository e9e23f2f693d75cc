"""One answer on its way, and everybody who waits for it.

Nobody is the reader: whoever is hungry and finds nothing new reads on for all. So a client that is slow to
take its bytes holds up no other, one that hangs up is not missed, and the last one out ends the call upstream.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tidegate.core.values import AnswerHead


class Source(Protocol):
    """Where an answer comes from."""

    @property
    def cost_nanos(self) -> int:
        """What it cost to get, in nano-dollars, once it is over."""
        ...

    async def open(self) -> AnswerHead:
        """Begin; returns when the answer does. Raises TidegateError."""
        ...

    async def more(self) -> list[bytes]:
        """What came next: events, or the one body; empty at the end.

        May be cancelled and called again without loss. Raises TidegateError.
        """
        ...

    async def abandon(self) -> None:
        """Nobody waits any more: stop, and account for what was used."""
        ...


class Flight:
    """An answer being received, recorded from its first event, with any number of passengers."""

    def __init__(self, source: Source, *, on_end: Callable[["Flight"], None]) -> None:
        """Begins to open the source at once; `on_end` is called when the answer is over, one way or another."""
        self.events: list[bytes] = []
        self.ended = False
        self._error: Exception | None = None
        self._source = source
        self._on_end = on_end
        self._passengers = 0
        self._reading = asyncio.Lock()
        self._opening = asyncio.create_task(self._open(), name="flight-open")
        self._abandoning: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "ended" if self.ended else "open" if self._opening.done() else "opening"
        return f"<Flight {state}: {self._passengers} aboard, {len(self.events)} events>"

    @property
    def cost_nanos(self) -> int:
        """What the answer cost to get, in nano-dollars, once it is over."""
        return self._source.cost_nanos

    @property
    def boardable(self) -> bool:
        """Whether a passenger may still come aboard: the answer is on its way and not given up."""
        return not self.ended and self._abandoning is None

    def board(self) -> None:
        """Count one more who waits; each must `leave`."""
        self._passengers += 1

    def leave(self) -> None:
        """Count one less; the last one ends an answer that is still on its way."""
        self._passengers -= 1
        if self._passengers == 0 and self.boardable:
            self._abandoning = asyncio.create_task(self._abandon(), name="flight-abandon")

    async def opened(self) -> AnswerHead:
        """Wait for the answer to begin; may be cancelled and called again. Raises TidegateError."""
        return self._opening.result() if self._opening.done() else await asyncio.shield(self._opening)

    async def event(self, index: int) -> bytes | None:
        """The answer's event number `index`, waited for; None past the end.

        May be cancelled and called again. Raises TidegateError where the answer broke off.
        """
        while index >= len(self.events):
            if self.ended:
                if self._error is not None:
                    raise self._error
                return None
            async with self._reading:
                if index >= len(self.events) and not self.ended:
                    await self._read_on()
        return self.events[index]

    async def drained(self) -> None:
        """Wait until an answer that was given up has been accounted for."""
        if self._abandoning is not None:
            await asyncio.shield(self._abandoning)

    def when_drained(self, tell: Callable[["Flight"], None]) -> None:
        """Have `tell` called then; at once where nothing was given up."""
        if self._abandoning is None:
            tell(self)
        else:
            self._abandoning.add_done_callback(lambda _: tell(self))

    async def _open(self) -> AnswerHead:
        try:
            head = await self._source.open()
            while not head.stream and not self.ended:  # there is nothing to see of it before its end
                await self._read_on()
        except BaseException as error:  # raised on: whatever it was, the flight is over
            self._end(error)
            raise
        else:
            return head

    async def _read_on(self) -> None:
        try:
            events = await self._source.more()
        except Exception as error:  # noqa: BLE001  # kept for all aboard, who raise it
            self._end(error)
            return
        if events:
            self.events += events
        else:
            self._end(None)

    async def _abandon(self) -> None:
        self._end(None)
        self._opening.add_done_callback(_retrieve)
        self._opening.cancel()
        await asyncio.wait({self._opening})
        await self._source.abandon()

    def _end(self, error: BaseException | None) -> None:
        if self.ended:
            return
        self.ended = True
        self._error = error if isinstance(error, Exception) else None
        if error is not None:
            self._opening.add_done_callback(_retrieve)
        self._on_end(self)


def _retrieve(opening: "asyncio.Task[AnswerHead]") -> None:
    # an error nobody waited for is no error of the program
    if not opening.cancelled():
        opening.exception()

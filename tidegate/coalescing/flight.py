"""One answer on its way, and everybody who waits for it.

Nobody is the reader: whoever is hungry and finds nothing new reads on for all. So a client that is slow to
take its bytes holds up no other, one that hangs up is not missed, and the last one out ends the call upstream.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tidegate.core.values import AnswerHead


class FlightSource(Protocol):
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

    def __init__(self, source: FlightSource, *, on_end: Callable[["Flight"], None]) -> None:
        """Begins to open the source at once; `on_end` is called when the answer is over, one way or another."""
        self.events: list[bytes] = []
        self.ended = False
        self._error: Exception | None = None
        self._source = source
        self._on_end = on_end
        self._subscribers = 0
        self._read_lock = asyncio.Lock()
        self._open_task = asyncio.create_task(self._open(), name="flight-open")
        self._abandon_task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "ended" if self.ended else "open" if self._open_task.done() else "opening"
        return f"<Flight {state}: {self._subscribers} aboard, {len(self.events)} events>"

    @property
    def cost_nanos(self) -> int:
        """What the answer cost to get, in nano-dollars, once it is over."""
        return self._source.cost_nanos

    @property
    def joinable(self) -> bool:
        """Whether a passenger may still come aboard: the answer is on its way and not given up."""
        return not self.ended and self._abandon_task is None

    def subscribe(self) -> None:
        """Count one more who waits; each must `leave`."""
        self._subscribers += 1

    def unsubscribe(self) -> None:
        """Count one less; the last one ends an answer that is still on its way."""
        self._subscribers -= 1
        if self._subscribers == 0 and self.joinable:
            self._abandon_task = asyncio.create_task(self._abandon(), name="flight-abandon")

    async def head(self) -> AnswerHead:
        """Wait for the answer to begin; may be cancelled and called again. Raises TidegateError."""
        return self._open_task.result() if self._open_task.done() else await asyncio.shield(self._open_task)

    async def event(self, index: int) -> bytes | None:
        """The answer's event number `index`, waited for; None past the end.

        May be cancelled and called again. Raises TidegateError where the answer broke off.
        """
        while index >= len(self.events):
            if self.ended:
                if self._error is not None:
                    raise self._error
                return None
            async with self._read_lock:
                if index >= len(self.events) and not self.ended:
                    await self._read_events()
        return self.events[index]

    async def wait_settled(self) -> None:
        """Wait until an answer that was given up has been accounted for."""
        if self._abandon_task is not None:
            await asyncio.shield(self._abandon_task)

    def call_when_settled(self, tell: Callable[["Flight"], None]) -> None:
        """Have `tell` called then; at once where nothing was given up."""
        if self._abandon_task is None:
            tell(self)
        else:
            self._abandon_task.add_done_callback(lambda _: tell(self))

    async def _open(self) -> AnswerHead:
        try:
            head = await self._source.open()
            while not head.stream and not self.ended:  # there is nothing to see of it before its end
                await self._read_events()
        except BaseException as error:  # raised on: whatever it was, the flight is over
            self._end(error)
            raise
        else:
            return head

    async def _read_events(self) -> None:
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
        self._open_task.add_done_callback(_ignore_result)
        self._open_task.cancel()
        await asyncio.wait({self._open_task})
        await self._source.abandon()

    def _end(self, error: BaseException | None) -> None:
        if self.ended:
            return
        self.ended = True
        self._error = error if isinstance(error, Exception) else None
        if error is not None:
            self._open_task.add_done_callback(_ignore_result)
        self._on_end(self)


def _ignore_result(opening: "asyncio.Task[AnswerHead]") -> None:
    # an error nobody waited for is no error of the program
    if not opening.cancelled():
        opening.exception()

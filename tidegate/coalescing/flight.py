"""One answer while it is received, and the callers that read it.

There is no reader task: the first subscriber that runs out of recorded events reads the next chunk for all (see
`Flight.event`). So a slow client delays no other client, and a client that disconnects stops no other. When the last
subscriber leaves, the upstream call is cancelled.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.values import AnswerHead


class FlightSource(Protocol):
    """Where a flight reads its answer from."""

    @property
    def cost_nanos(self) -> int:
        """What the answer cost in nano-dollars, once it is complete."""
        ...

    async def open(self) -> AnswerHead:
        """Start, and return the head when the answer begins. Raises TidegateError."""
        ...

    async def more(self) -> list[bytes]:
        """Return the next events, or the one body; nothing at the end.

        May be cancelled and called again without losing events. Raises TidegateError.
        """
        ...

    async def leave(self) -> None:
        """Tell the upstream that no subscriber is left; `open` may still be running, and `abandon` follows."""
        ...

    async def abandon(self, error: TidegateError | None = None) -> None:
        """Stop, as no subscriber is left, and settle what was used; with `error` as the outcome, or a disconnect."""
        ...


def ignore() -> None:
    """Do nothing."""


class Flight:
    """An answer that is recorded from its first event, for any number of subscribers."""

    def __init__(
        self, source: FlightSource, *, on_end: Callable[["Flight"], None], on_unused: Callable[[], None] = ignore
    ) -> None:
        """Open the source at once; `on_end` is called when the answer has ended, for whatever reason.

        `on_unused` is called when nothing more is read of the source, and no subscriber needs the answer.
        """
        self._on_unused = on_unused
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
        return f"<Flight {state}: {self._subscribers} subscribers, {len(self.events)} events>"

    @property
    def cost_nanos(self) -> int:
        """What the answer cost in nano-dollars, once it is complete."""
        return self._source.cost_nanos

    @property
    def joinable(self) -> bool:
        """Whether a new subscriber can still read the whole answer: it is neither over nor abandoned."""
        return not self.ended and self._abandon_task is None

    def subscribe(self) -> None:
        """Add a subscriber; each must `unsubscribe`."""
        self._subscribers += 1

    def unsubscribe(self, error: TidegateError | None = None) -> None:
        """Remove a subscriber; the last one cancels an upstream call that is still running.

        `error` is why the subscriber stops, if not because its client disconnected.
        """
        self._subscribers -= 1
        if self._subscribers == 0 and self.joinable:
            self._abandon_task = asyncio.create_task(self._abandon(error), name="flight-abandon")
        elif self._subscribers == 0 and self._abandon_task is None:
            self._on_unused()

    async def head(self) -> AnswerHead:
        """Return the head when the answer begins; may be cancelled and called again. Raises TidegateError."""
        head = self._open_task.result() if self._open_task.done() else await asyncio.shield(self._open_task)
        if isinstance(head, Exception):
            raise head
        return head

    async def event(self, index: int) -> bytes | None:
        """Return event number `index` when it is there; None past the end.

        May be cancelled and called again. Raises TidegateError if the answer broke off.
        """
        # Every subscriber reads at its own index. One that asks for an event that is recorded gets it at once. The
        # first that asks for more takes the lock and reads the next chunk from the source; it is recorded for all.
        # Others that run out meanwhile wait for the lock, and then find their event recorded. If the reading
        # subscriber is cancelled, the lock is released and the next one reads on: `FlightSource.more` loses nothing.
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
        """Wait until an abandoned upstream call is settled."""
        if self._abandon_task is not None:
            await asyncio.shield(self._abandon_task)

    def call_when_settled(self, callback: Callable[["Flight"], None]) -> None:
        """Call `callback` once an abandoned call is settled; at once if the call was not abandoned."""
        if self._abandon_task is None:
            callback(self)
        else:
            self._abandon_task.add_done_callback(lambda _: callback(self))

    async def _open(self) -> AnswerHead | Exception:
        """Return the head or the error: a task that raised it or was cancelled keeps its traceback and so the call."""
        try:
            head = await self._source.open()
            while not head.stream and not self.ended:  # a body is of no use before its end
                await self._read_events()
        except Exception as error:  # noqa: BLE001  # returned: whatever it was, each subscriber raises it
            self._end(error)
            return error
        except asyncio.CancelledError:  # abandoned: no subscriber is left to see how this ends
            self._end(None)
            return ClientDisconnected()
        else:
            return head

    async def _read_events(self) -> None:
        try:
            events = await self._source.more()
        except Exception as error:  # noqa: BLE001  # recorded: each subscriber raises it
            self._end(error)
            return
        if events:
            self.events += events
        else:
            self._end(None)

    async def _abandon(self, error: TidegateError | None) -> None:
        self._end(None)
        self._open_task.add_done_callback(_ignore_result)
        try:
            try:
                await self._source.leave()
            finally:
                self._open_task.cancel()
                await asyncio.wait({self._open_task})
                await self._source.abandon(error)
        finally:
            self._on_unused()

    def _end(self, error: BaseException | None) -> None:
        if self.ended:
            return
        self.ended = True
        self._error = error if isinstance(error, Exception) else None
        if error is not None:
            self._open_task.add_done_callback(_ignore_result)
        self._on_end(self)


def _ignore_result(opening: "asyncio.Task[AnswerHead | Exception]") -> None:
    # without this, asyncio logs an error that no subscriber waited for
    if not opening.cancelled():
        opening.exception()

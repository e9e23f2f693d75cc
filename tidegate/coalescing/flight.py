"""One answer while it is received, and the callers that read it.

A flight has no task: the subscriber that runs out of recorded events reads the next ones for all, in its own task (see
`Flight.event`). So a slow client delays no other client, and a client that disconnects stops no other: if it was
reading, another one reads on. When the last subscriber leaves, the upstream call is cancelled. That takes time, so only
then a task comes into being.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.values import AnswerHead


class FlightSource(Protocol):
    """Where a flight reads its answer from. One reader at a time."""

    @property
    def cost_nanos(self) -> int:
        """What the answer cost in nano-dollars, once it is complete."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether `more` has returned all that there is."""
        ...

    async def open(self) -> AnswerHead:
        """Start, and return the head when the answer begins.

        May be cancelled and called again: what was started goes on. Raises TidegateError.
        """
        ...

    async def more(self) -> list[bytes]:
        """Return the next events, or the one body; there may be none.

        May be cancelled and called again without losing events. Raises TidegateError.
        """
        ...

    async def leave(self) -> None:
        """Tell the upstream that no subscriber is left; `abandon` follows."""
        ...

    async def abandon(self, error: TidegateError | None = None) -> None:
        """Stop, as no subscriber is left, and settle what was used; with `error` as the outcome, or a disconnect."""
        ...


def ignore() -> None:
    """Do nothing."""


class Flight:
    """An answer that is recorded from its first event, for any number of subscribers."""

    def __init__(
        self,
        source: FlightSource,
        *,
        on_end: Callable[["Flight"], None],
        on_unused: Callable[[], None] = ignore,
        fingerprint: str = "",
    ) -> None:
        """The first subscriber that wants the head opens `source`; `on_end` is called when the answer has ended.

        `on_unused` is called when nothing more is read of the source, and no subscriber needs the answer.
        """
        self.fingerprint = fingerprint
        """Of the call that it answers, where others may join it; else empty."""
        self.events: list[bytes] = []
        self.ended = False
        self._head: AnswerHead | None = None
        self._error: Exception | None = None
        self._source = source
        self._on_end = on_end
        self._on_unused = on_unused
        self._subscribers = 0
        self._is_read = False
        """Whether a subscriber reads the source now."""
        self._waiting: list[asyncio.Future[None]] | None = None
        """Subscribers that wait for the one that reads."""
        self._abandon_task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "ended" if self.ended else "opening" if self._head is None else "open"
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
        """Add a subscriber; each must `unsubscribe`, and not while it reads."""
        self._subscribers += 1

    def unsubscribe(self, error: TidegateError | None = None) -> None:
        """Remove a subscriber; the last one cancels an upstream call that is still running.

        `error` is why the subscriber stops, if not because its client disconnected.
        """
        self._subscribers -= 1
        if self._subscribers or self._abandon_task is not None:
            return
        if self.ended:
            self._on_unused()
        else:
            self._abandon_task = asyncio.create_task(self._abandon(error), name="flight-abandon")

    async def head(self) -> AnswerHead:
        """Return the head when the answer begins; may be cancelled and called again. Raises TidegateError."""
        while self._head is None:
            if self.ended:
                raise self._error or ClientDisconnected()
            if self._is_read:
                await self._wait_for_reader()
                continue
            self._is_read = True
            try:
                self._head = await self._source.open()
            except Exception as error:  # noqa: BLE001  # recorded: each subscriber raises it
                self._end(error)
            finally:
                self._is_read = False
                if self._waiting is not None:
                    self._wake_waiting()
        while not self._head.stream and await self.event(len(self.events)) is not None:
            pass  # a body is of no use before its end
        return self._head

    async def event(self, index: int) -> bytes | None:
        """Return event number `index` when it is there; None past the end. Call `head` first.

        May be cancelled and called again. Raises TidegateError if the answer broke off.
        """
        # Every subscriber reads at its own index. One that asks for an event that is recorded gets it at once. The
        # first that asks for more reads the next ones from the source; they are recorded for all. Others that run out
        # meanwhile wait until it has read. If it is cancelled, one of them reads on: the source loses nothing.
        while index >= len(self.events):
            if self.ended:
                if self._error is not None:
                    raise self._error
                return None
            if self._is_read:
                await self._wait_for_reader()
                continue
            self._is_read = True
            try:
                self.events += await self._source.more()
                if self._source.is_over:
                    self._end(None)
            except Exception as error:  # noqa: BLE001  # recorded: each subscriber raises it
                self._end(error)
            finally:
                self._is_read = False
                if self._waiting is not None:
                    self._wake_waiting()
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

    async def _wait_for_reader(self) -> None:
        """Wait until the subscriber that reads has read on, or has left."""
        if self._waiting is None:
            self._waiting = []
        waiting, turn = self._waiting, asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            waiting.remove(turn)
            raise

    def _wake_waiting(self) -> None:
        waiting, self._waiting = self._waiting or (), None
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    async def _abandon(self, error: TidegateError | None) -> None:
        self._end(None)
        try:
            try:
                await self._source.leave()
            finally:
                await self._source.abandon(error)
        finally:
            self._on_unused()

    def _end(self, error: Exception | None) -> None:
        if self.ended:
            return
        self.ended = True
        self._error = error
        self._on_end(self)

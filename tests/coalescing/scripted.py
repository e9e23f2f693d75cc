"""A flight source whose steps a test decides, and helpers that read flights."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Any

from tidegate.coalescing.flight import Flight
from tidegate.core.errors import TidegateError
from tidegate.core.values import AnswerHead
from tidegate.wire import sse

HEAD = AnswerHead(stream=True, served_by="openai/m")


def event(number: int) -> bytes:
    """Return event `number` of an answer."""
    return sse.encode(b'{"id":"a","n":%d}' % number)


def events(*numbers: int) -> list[bytes]:
    """Return several events."""
    return [event(number) for number in numbers]


class ScriptedSource:
    """Implements `FlightSource`. Each of `begin`, `add_events`, `fail` and `end` adds a step."""

    def __init__(self) -> None:
        self._steps: asyncio.Queue[AnswerHead | list[bytes] | Exception] = asyncio.Queue()
        self._busy = False
        self._end_cost = 0
        self.cost_nanos = 0
        self.is_over = False
        self.opens = 0
        """The number of successful opens."""
        self.abandon_count = 0
        self.may_release = asyncio.Event()
        """While it is cleared, `abandon` waits."""
        self.may_release.set()

    @classmethod
    def of(cls, *chunks: list[bytes], cost: int = 0, head: AnswerHead = HEAD) -> "ScriptedSource":
        """Return a source that has all its events, and its end."""
        source = cls()
        source.begin(head)
        for one in chunks:
            source.add_events(one)
        source.end(cost)
        return source

    @classmethod
    def begun(cls) -> "ScriptedSource":
        """Return a source whose answer has begun."""
        source = cls()
        source.begin()
        return source

    def begin(self, head: AnswerHead = HEAD) -> None:
        """Add the head of the answer."""
        self._steps.put_nowait(head)

    def add_events(self, chunk: list[bytes]) -> None:
        """Add a chunk of events."""
        self._steps.put_nowait(chunk)

    def fail(self, error: Exception) -> None:
        """Add a failure."""
        self._steps.put_nowait(error)

    def end(self, cost: int = 0) -> None:
        """Add the end of the answer."""
        self._end_cost = cost
        self._steps.put_nowait([])

    async def open(self) -> AnswerHead:
        """Read the first step."""
        step = await self._step()
        assert isinstance(step, AnswerHead), step
        self.opens += 1
        return step

    async def more(self) -> list[bytes]:
        """Read the next step."""
        assert self.opens, "a source is opened before it is read"
        step = await self._step()
        assert isinstance(step, list), step
        if not step:
            self.cost_nanos = self._end_cost
            self.is_over = True
        return step

    async def leave(self) -> None:
        """Do nothing."""

    async def abandon(self, error: TidegateError | None = None) -> None:  # noqa: ARG002  # the protocol's signature
        """Count the call."""
        await self.may_release.wait()
        self.abandon_count += 1

    async def _step(self) -> AnswerHead | list[bytes]:
        assert not self._busy, "one reader at a time"
        self._busy = True
        try:
            step = await self._steps.get()
        finally:
            self._busy = False
        if isinstance(step, Exception):
            raise step
        return step


async def read_all(flight: Flight, *, pause: float | None = None) -> list[bytes]:
    """Subscribe, read all events, and unsubscribe; a slow subscriber pauses for `pause` seconds after each event."""
    flight.subscribe()
    try:
        await flight.head()
        read_events: list[bytes] = []
        while (one := await flight.event(len(read_events))) is not None:
            read_events.append(one)
            if pause is not None:
                await asyncio.sleep(pause)
        return read_events
    finally:
        flight.unsubscribe()


async def run_ready_tasks(turns: int = 20) -> None:
    """Run all tasks until each of them waits."""
    for _ in range(turns):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def no_loop_errors() -> AsyncIterator[None]:
    """Fail if the event loop reports an error, such as an exception that was never retrieved."""
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
    try:
        yield
        gc.collect()
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    assert complaints == []

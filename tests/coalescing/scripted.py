"""A source that says what the test hands it, when the test hands it, and passengers who listen."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Any

from tidegate.coalescing.flight import Flight
from tidegate.core.values import AnswerHead
from tidegate.wire import sse

HEAD = AnswerHead(stream=True, served_by="openai/m")


def event(number: int) -> bytes:
    """The event `number` of an answer."""
    return sse.encode(b'{"id":"a","n":%d}' % number)


def events(*numbers: int) -> list[bytes]:
    """Several of them."""
    return [event(number) for number in numbers]


class ScriptedSource:
    """Implements `Source`. Each of `begin`, `say`, `fail` and `end` is one step, read in order."""

    def __init__(self) -> None:
        self._steps: asyncio.Queue[AnswerHead | list[bytes] | Exception] = asyncio.Queue()
        self._busy = False
        self._end_cost = 0
        self.cost_nanos = 0
        self.opens = 0
        """How often it was opened, successfully."""
        self.abandon_count = 0
        self.may_release = asyncio.Event()
        """Cleared, an abandoned source takes its time."""
        self.may_release.set()

    @classmethod
    def of(cls, *said: list[bytes], cost: int = 0, head: AnswerHead = HEAD) -> "ScriptedSource":
        """A source that says all of it at once."""
        source = cls()
        source.begin(head)
        for one in said:
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
        """The answer begins."""
        self._steps.put_nowait(head)

    def add_events(self, said: list[bytes]) -> None:
        """Events come."""
        self._steps.put_nowait(said)

    def fail(self, error: Exception) -> None:
        """The answer breaks off."""
        self._steps.put_nowait(error)

    def end(self, cost: int = 0) -> None:
        """The answer is over."""
        self._end_cost = cost
        self._steps.put_nowait([])

    async def open(self) -> AnswerHead:
        """The first step."""
        step = await self._step()
        assert isinstance(step, AnswerHead), step
        self.opens += 1
        return step

    async def more(self) -> list[bytes]:
        """The next step."""
        assert self.opens, "a source is opened before it is read"
        step = await self._step()
        assert isinstance(step, list), step
        if not step:
            self.cost_nanos = self._end_cost
        return step

    async def abandon(self) -> None:
        """Counted."""
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
    """All that a passenger hears, coming aboard and leaving; `pause` seconds between two events for a slow one."""
    flight.subscribe()
    try:
        await flight.head()
        said: list[bytes] = []
        while (one := await flight.event(len(said))) is not None:
            said.append(one)
            if pause is not None:
                await asyncio.sleep(pause)
        return said
    finally:
        flight.unsubscribe()


async def run_ready_tasks(turns: int = 20) -> None:
    """Let every task that can go on go on."""
    for _ in range(turns):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def no_loop_errors() -> AsyncIterator[None]:
    """Within it the event loop complains of nothing, an error that nobody retrieved say."""
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

"""Work that holds up a process, such as decoding a large body: it takes turns, and rests between them.

While one body of 30 MB is decoded no other call goes on, for tens of milliseconds. One key that sends such bodies one
after the other would slow all calls of its neighbours. So while several keys call, such work takes a small share of the
time, the keys with large bodies by turns. A key that calls alone has the process for itself.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator
from typing import TypeVar

SHARE = 32
"""Such work takes one part in so many of the time."""
MAX_REST_SECONDS = 3.0
_SHARED_SECONDS = 1.0
"""For so long after a call of another key the process counts as shared."""

Result = TypeVar("Result")


def at_once(steps: Generator[None, None, Result]) -> Result:
    """Take all steps without a pause, and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


async def with_pauses(steps: Generator[None, None, Result]) -> Result:
    """Take all steps, each in another iteration of the event loop, and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        await asyncio.sleep(0)


class HeavyTurns:
    """The turns of one process."""

    def __init__(self) -> None:
        self._is_taken = False
        self._free_at = 0.0
        self._latest_key = self._earlier_key = ""
        self._latest_at = self._earlier_at = -_SHARED_SECONDS
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<HeavyTurns: {'taken' if self._is_taken else 'free'}, {sum(map(len, self._waiting.values()))} wait>"

    def note_call(self, key_id: str) -> None:
        """Note a call of any size, to know whether several keys use this process."""
        if key_id != self._latest_key:
            self._earlier_key, self._earlier_at = self._latest_key, self._latest_at
            self._latest_key = key_id
        self._latest_at = asyncio.get_running_loop().time()

    @contextlib.asynccontextmanager
    async def turn(self, key_id: str, *, goes_on: bool = False) -> AsyncIterator[None]:
        """Wait for a turn, and take it for the work within. A cancelled wait takes none.

        Work that `goes_on` is ahead of the other work of its key: what is half done holds memory.
        """
        if self._is_taken or self._waiting or self._rest(key_id) > 0:
            await self._wait(key_id, goes_on=goes_on)
        self._is_taken = True
        try:
            with self.counted():
                yield
        finally:
            self._is_taken = False
            self._plan_next()

    async def run(self, key_id: str, steps: Generator[None, None, Result]) -> Result:
        """Take a turn for each step, and return the steps' result. Others go on between two steps in any case."""
        goes_on = False
        while True:
            async with self.turn(key_id, goes_on=goes_on):
                try:
                    next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    return result
            goes_on = True
            await asyncio.sleep(0)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count the work within as a part of a turn, without waiting for one."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            now = loop.time()
            # a key that calls alone does not rest, so what it owes must not grow
            rest = max(self._free_at, now) + (SHARE - 1) * (now - began)
            self._free_at = min(rest, now + MAX_REST_SECONDS)

    def _rest(self, key_id: str) -> float:
        """Return the seconds that work of this key waits: none, unless another key has called lately."""
        now = asyncio.get_running_loop().time()
        others_called_at = self._earlier_at if key_id == self._latest_key else self._latest_at
        return self._free_at - now if now < others_called_at + _SHARED_SECONDS else 0.0

    async def _wait(self, key_id: str, *, goes_on: bool) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(key_id, deque())
        if goes_on:
            waiting.appendleft(granted)
        else:
            waiting.append(granted)
        self._plan_next()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():  # it was granted in the same moment
                self._is_taken = False
                self._plan_next()
            else:
                self._forget(key_id, granted)
            raise

    def _plan_next(self) -> None:
        if not self._is_taken and self._waiting and self._timer is None:
            rest = max(0.0, self._rest(next(iter(self._waiting))))
            self._timer = asyncio.get_running_loop().call_later(rest, self._grant_next)

    def _grant_next(self) -> None:
        """Grant a turn to the first call of the key whose turn it is; that key is the last one then."""
        self._timer = None
        if self._is_taken or not self._waiting or self._rest(next(iter(self._waiting))) > 0:
            self._plan_next()
            return
        for key_id in list(self._waiting):
            waiting = self._waiting.pop(key_id)
            granted = waiting.popleft()
            if waiting:
                self._waiting[key_id] = waiting
            if not granted.done():
                self._is_taken = True
                granted.set_result(None)
                return
        self._plan_next()

    def _forget(self, key_id: str, granted: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(key_id)
        if waiting is None or granted not in waiting:
            return
        waiting.remove(granted)
        if not waiting:
            del self._waiting[key_id]

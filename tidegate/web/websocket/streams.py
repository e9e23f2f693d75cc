"""A connection's streams: within one, requests follow each other; different ones run side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from tidegate.core.errors import StreamsBusy, TooManyStreams
from tidegate.wire.socket import Create

MOST_STREAMS = 32
"""Named ones; OpenAI's own figure."""
MOST_WAITING = 64
"""Requests of one connection that wait for their turn."""


class Streams:
    """Does each request's work in its turn."""

    def __init__(self, work: Callable[[Create], Awaitable[None]], *, most_active: int, most_bytes: int) -> None:
        """`work` raises nothing; `most_bytes` may wait."""
        self._work = work
        self._free = asyncio.Semaphore(most_active)
        self._most_bytes = most_bytes
        self._waiting: dict[str | None, deque[Create]] = {}
        self._count = 0
        self._bytes = 0
        self._workers: dict[str | None, asyncio.Task[None]] = {}

    @property
    def idle(self) -> bool:
        """Nothing is being answered, and nothing waits."""
        return not self._workers

    def add(self, create: Create) -> None:
        """Have a request answered when those before it on its stream are. Raises TooManyStreams or StreamsBusy."""
        name = create.stream_id
        if name not in self._waiting:
            named = sum(1 for known in self._waiting if known is not None)
            if name is not None and named >= MOST_STREAMS:
                raise TooManyStreams
            self._waiting[name] = deque()
        if self._count >= MOST_WAITING or (self._count and self._bytes + create.size > self._most_bytes):
            raise StreamsBusy
        self._waiting[name].append(create)
        self._count += 1
        self._bytes += create.size
        if name not in self._workers:
            self._workers[name] = asyncio.create_task(self._run(name), name="socket-stream")

    def drop(self) -> None:
        """Forget what waits; what is being answered goes on."""
        for line in self._waiting.values():
            line.clear()
        self._count = self._bytes = 0

    async def done(self) -> None:
        """Wait until nothing is being answered."""
        while self._workers:
            await asyncio.wait(set(self._workers.values()))

    async def _run(self, name: str | None) -> None:
        line = self._waiting[name]
        try:
            while line:
                async with self._free:
                    if not line:
                        break  # dropped meanwhile
                    create = line.popleft()
                    self._count -= 1
                    self._bytes -= create.size
                    await self._work(create)
        finally:
            del self._workers[name]

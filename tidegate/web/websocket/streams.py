"""A connection's streams: within one, requests follow each other; different ones run side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from tidegate.core.errors import TooManyWebSocketStreams, WebSocketQueueFull
from tidegate.wire.socket import CreateMessage

MAX_STREAMS = 32
"""Named ones; OpenAI's own figure."""
MAX_WAITING_REQUESTS = 64
"""Requests of one connection that wait for their turn."""


class RequestStreams:
    """Does each request's work in its turn."""

    def __init__(
        self, handle: Callable[[CreateMessage], Awaitable[None]], *, max_active: int, max_waiting_bytes: int
    ) -> None:
        """`work` raises nothing; `most_bytes` may wait."""
        self._handle = handle
        self._active_slots = asyncio.Semaphore(max_active)
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: dict[str | None, deque[CreateMessage]] = {}
        self._waiting_count = 0
        self._waiting_bytes = 0
        self._workers: dict[str | None, asyncio.Task[None]] = {}

    @property
    def is_idle(self) -> bool:
        """Nothing is being answered, and nothing waits."""
        return not self._workers

    def add(self, create: CreateMessage) -> None:
        """Have a request answered when those before it on its stream are. Raises TooManyStreams or StreamsBusy."""
        name = create.stream_id
        if name not in self._waiting:
            named = sum(1 for known in self._waiting if known is not None)
            if name is not None and named >= MAX_STREAMS:
                raise TooManyWebSocketStreams
            self._waiting[name] = deque()
        if self._waiting_count >= MAX_WAITING_REQUESTS or (
            self._waiting_count and self._waiting_bytes + create.size > self._max_waiting_bytes
        ):
            raise WebSocketQueueFull
        self._waiting[name].append(create)
        self._waiting_count += 1
        self._waiting_bytes += create.size
        if name not in self._workers:
            self._workers[name] = asyncio.create_task(self._run(name), name="socket-stream")

    def drop_waiting(self) -> None:
        """Forget what waits; what is being answered goes on."""
        for line in self._waiting.values():
            line.clear()
        self._waiting_count = self._waiting_bytes = 0

    async def wait_until_idle(self) -> None:
        """Wait until nothing is being answered."""
        while self._workers:
            await asyncio.wait(set(self._workers.values()))

    async def _run(self, name: str | None) -> None:
        line = self._waiting[name]
        try:
            while line:
                async with self._active_slots:
                    if not line:
                        break  # dropped meanwhile
                    create = line.popleft()
                    self._waiting_count -= 1
                    self._waiting_bytes -= create.size
                    await self._handle(create)
        finally:
            del self._workers[name]

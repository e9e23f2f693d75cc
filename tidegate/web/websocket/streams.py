"""Schedules a connection's requests: in order within a stream, concurrent between streams. Used by connection.py."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from tidegate.core.errors import TooManyWebSocketStreams, WebSocketQueueFull
from tidegate.wire.socket import CreateMessage

MAX_STREAMS = 32
"""Named streams of one connection; OpenAI's limit."""
MAX_WAITING_REQUESTS = 64
"""Waiting requests of one connection."""


class RequestStreams:
    """Runs each request when its stream is free."""

    def __init__(
        self, handle: Callable[[CreateMessage], Awaitable[None]], *, max_active: int, max_waiting_bytes: int
    ) -> None:
        """`handle` must not raise; at most `max_waiting_bytes` may wait."""
        self._handle = handle
        self._active_slots = asyncio.Semaphore(max_active)
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: dict[str | None, deque[CreateMessage]] = {}
        self._waiting_count = 0
        self._waiting_bytes = 0
        self._workers: dict[str | None, asyncio.Task[None]] = {}

    @property
    def is_idle(self) -> bool:
        """Whether no request is running or waiting."""
        return not self._workers

    def add(self, create: CreateMessage) -> None:
        """Queue a request behind the others of its stream. Raises TooManyStreams or StreamsBusy."""
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

    def take_waiting(self) -> list[CreateMessage]:
        """Remove and return the waiting requests; running ones continue."""
        waiting = [create for line in self._waiting.values() for create in line]
        for line in self._waiting.values():
            line.clear()
        self._waiting_count = self._waiting_bytes = 0
        return waiting

    async def wait_until_idle(self) -> None:
        """Wait until no request is running or waiting."""
        while self._workers:
            await asyncio.wait(set(self._workers.values()))

    async def _run(self, name: str | None) -> None:
        line = self._waiting[name]
        try:
            while line:
                async with self._active_slots:
                    if not line:
                        break  # the waiting requests were taken
                    create = line.popleft()
                    self._waiting_count -= 1
                    self._waiting_bytes -= create.size
                    await self._handle(create)
        finally:
            del self._workers[name]

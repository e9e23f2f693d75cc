"""The part of a process that works on background responses, from its start to its end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from tidegate.background.job import End
from tidegate.background.job_store import JobStore
from tidegate.background.notifications import News
from tidegate.background.worker import Stop, Worker
from tidegate.core.errors import PostgresUnavailable

_LOOK_SECONDS = 0.5
"""Between looks whether what runs here is still wanted: who cancels it says so, but that may be lost."""
_SWEEP_SECONDS = 600.0

_log = structlog.get_logger("background")


class Queue(Protocol):
    """Where jobs are taken from."""

    def start(self, work: Callable[[str], Awaitable[End]]) -> None:
        """Begin to take jobs and have them done."""
        ...

    async def close(self) -> None:
        """Take no more; returns when those that run have come to their end."""
        ...

    def wake(self) -> None:
        """Look for jobs now."""
        ...

    async def forget_old(self) -> None:
        """Delete what is kept of jobs that are long over."""
        ...


class Runner:
    """Use it between `start` and `close`."""

    def __init__(self, queue: Queue, store: JobStore, news: News, worker: Worker, *, grace_seconds: float) -> None:
        """`grace_seconds` is how long running jobs may take to end when the process does."""
        self._queue = queue
        self._store = store
        self._news = news
        self._worker = worker
        self._grace = grace_seconds
        self._keepers: list[asyncio.Task[None]] = []
        self._looks: set[asyncio.Task[None]] = set()
        self._leaving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hear the other processes, and to take jobs."""
        await self._news.start()
        self._news.hear(changed=self._look_at, work=self._queue.wake)
        self._queue.start(self._worker.work)
        self._keepers = [
            asyncio.create_task(self._watch(), name="background-watch"),
            asyncio.create_task(self._sweep(), name="background-sweep"),
        ]

    def leave(self) -> None:
        """The process is about to end: take no more, and give back what has not ended when the grace is over."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(), name="background-leave")

    async def close(self) -> None:
        """Leave, and stop; what was given back is for another process."""
        self.leave()
        if self._leaving is not None:
            await self._leaving
        for keeper in (*self._keepers, *self._looks):
            keeper.cancel()
        await asyncio.gather(*self._keepers, *self._looks, return_exceptions=True)
        await self._news.close()

    async def _leave(self) -> None:
        closing = asyncio.create_task(self._queue.close(), name="background-close")
        done, _ = await asyncio.wait({closing}, timeout=self._grace)
        if not done:
            for response_id in self._worker.busy:
                self._worker.stop(response_id, Stop.CLOSING)
            await closing
            self._news.work()

    def _look_at(self, response_id: str) -> None:
        if response_id in self._worker.busy:
            look = asyncio.create_task(self._look(), name="background-look")
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        """Stop the work on what is over, or another's."""
        busy = self._worker.busy
        if not busy:
            return
        with contextlib.suppress(PostgresUnavailable):  # the next look tells
            valid = await self._store.attempts(list(busy))
            for response_id, attempt in busy.items():
                if valid.get(response_id) != attempt:
                    self._worker.stop(response_id, Stop.NOT_OURS)

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(PostgresUnavailable):  # the next turn tries again
                await self._store.forget_expired()
                await self._queue.forget_old()
            await asyncio.sleep(_SWEEP_SECONDS)

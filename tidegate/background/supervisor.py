"""The part of a process that works on background responses, from its start to its end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from tidegate.background.job import QueueOutcome
from tidegate.background.job_store import JobStore
from tidegate.background.notifications import JobNotifications
from tidegate.background.worker import StopReason, Worker
from tidegate.core.errors import PostgresUnavailable

_CHECK_SECONDS = 0.5
"""Between looks whether what runs here is still wanted: who cancels it says so, but that may be lost."""
_SWEEP_SECONDS = 600.0

_log = structlog.get_logger("background")


class JobWorkQueue(Protocol):
    """Where jobs are taken from."""

    def start(self, run_job: Callable[[str], Awaitable[QueueOutcome]]) -> None:
        """Begin to take jobs and have them done."""
        ...

    async def close(self) -> None:
        """Take no more; returns when those that run have come to their end."""
        ...

    def wake(self) -> None:
        """Look for jobs now."""
        ...

    async def delete_old_log(self) -> None:
        """Delete what is kept of jobs that are long over."""
        ...


class WorkerSupervisor:
    """Use it between `start` and `close`."""

    def __init__(
        self,
        queue: JobWorkQueue,
        store: JobStore,
        notifications: JobNotifications,
        worker: Worker,
        *,
        grace_seconds: float,
    ) -> None:
        """`grace_seconds` is how long running jobs may take to end when the process does."""
        self._queue = queue
        self._store = store
        self._notifications = notifications
        self._worker = worker
        self._grace = grace_seconds
        self._periodic_tasks: list[asyncio.Task[None]] = []
        self._checks: set[asyncio.Task[None]] = set()
        self._shutdown_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hear the other processes, and to take jobs."""
        await self._notifications.start()
        self._notifications.set_handlers(on_job_ended=self._check_soon, on_job_added=self._queue.wake)
        self._queue.start(self._worker.run_job)
        self._periodic_tasks = [
            asyncio.create_task(self._check_forever(), name="background-watch"),
            asyncio.create_task(self._sweep(), name="background-sweep"),
        ]

    def begin_shutdown(self) -> None:
        """The process is about to end: take no more, and give back what has not ended when the grace is over."""
        if self._shutdown_task is None:
            self._shutdown_task = asyncio.create_task(self._drain(), name="background-leave")

    async def close(self) -> None:
        """Leave, and stop; what was given back is for another process."""
        self.begin_shutdown()
        if self._shutdown_task is not None:
            await self._shutdown_task
        for keeper in (*self._periodic_tasks, *self._checks):
            keeper.cancel()
        await asyncio.gather(*self._periodic_tasks, *self._checks, return_exceptions=True)
        await self._notifications.close()

    async def _drain(self) -> None:
        closing = asyncio.create_task(self._queue.close(), name="background-close")
        done, _ = await asyncio.wait({closing}, timeout=self._grace)
        if not done:
            for response_id in self._worker.active_jobs:
                self._worker.stop(response_id, StopReason.SHUTDOWN)
            await closing
            self._notifications.job_added()

    def _check_soon(self, response_id: str) -> None:
        if response_id in self._worker.active_jobs:
            look = asyncio.create_task(self._check_attempts(), name="background-look")
            self._checks.add(look)
            look.add_done_callback(self._checks.discard)

    async def _check_forever(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            await self._check_attempts()

    async def _check_attempts(self) -> None:
        """Stop the work on what is over, or another's."""
        busy = self._worker.active_jobs
        if not busy:
            return
        with contextlib.suppress(PostgresUnavailable):  # the next look tells
            valid = await self._store.current_attempts(list(busy))
            for response_id, attempt in busy.items():
                if valid.get(response_id) != attempt:
                    self._worker.stop(response_id, StopReason.ATTEMPT_LOST)

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(PostgresUnavailable):  # the next turn tries again
                await self._store.delete_expired()
                await self._queue.delete_old_log()
            await asyncio.sleep(_SWEEP_SECONDS)

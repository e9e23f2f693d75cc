"""Runs a process's background work from start to shutdown: queue, worker, notifications, checks. Used by app.py."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from tidegate.background.job import QueueOutcome
from tidegate.background.job_store import JobStore
from tidegate.background.notifications import JobNotifications
from tidegate.background.worker import StopReason, Worker
from tidegate.core.errors import PostgresUnavailable
from tidegate.core.periodic import PeriodicTask

_CHECK_SECONDS = 0.5
"""Between checks that the jobs running here are still valid: a cancellation's notification can be lost."""
_SWEEP_SECONDS = 600.0


class JobWorkQueue(Protocol):
    """The queue that jobs are taken from."""

    def start(self, run_job: Callable[[str], Awaitable[QueueOutcome]]) -> None:
        """Start to take jobs and run them."""
        ...

    async def close(self) -> None:
        """Take no more jobs; return when the running ones have ended."""
        ...

    def wake(self) -> None:
        """Poll for jobs now."""
        ...

    async def delete_old_log(self) -> None:
        """Delete old log rows of finished jobs."""
        ...


class WorkerSupervisor:
    """Supervise one process's background work, between `start` and `close`."""

    def __init__(
        self,
        queue: JobWorkQueue,
        store: JobStore,
        notifications: JobNotifications,
        worker: Worker,
        *,
        grace_seconds: float,
        sweep_seconds: float = _SWEEP_SECONDS,
    ) -> None:
        """Let running jobs continue for `grace_seconds` at shutdown; delete expired jobs every `sweep_seconds`."""
        self._queue = queue
        self._store = store
        self._notifications = notifications
        self._worker = worker
        self._grace = grace_seconds
        self._attempt_check = PeriodicTask(
            "background-attempt-check",
            self._check_attempts,
            every=_CHECK_SECONDS,
            wait_first=True,
            quiet=(PostgresUnavailable,),
        )
        self._sweep = PeriodicTask(
            "background-sweep", self._delete_expired, every=sweep_seconds, quiet=(PostgresUnavailable,)
        )
        self._shutdown_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe to notifications and start to take jobs."""
        await self._notifications.start()
        self._notifications.set_handlers(on_job_ended=self._check_soon, on_job_added=self._queue.wake)
        self._queue.start(self._worker.run_job)
        await self._attempt_check.start()
        await self._sweep.start()

    def begin_shutdown(self) -> None:
        """Begin the shutdown: take no more jobs, and release those still running after the grace period."""
        if self._shutdown_task is None:
            self._shutdown_task = asyncio.create_task(self._drain(), name="background-shutdown")

    async def close(self) -> None:
        """Finish the shutdown; another process takes the released jobs."""
        self.begin_shutdown()
        if self._shutdown_task is not None:
            await self._shutdown_task
        await self._attempt_check.close()
        await self._sweep.close()
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
            self._attempt_check.wake()

    async def _check_attempts(self) -> None:
        """Stop work on jobs that are finished or taken by another worker."""
        active_jobs = self._worker.active_jobs
        if not active_jobs:
            return
        current_attempts = await self._store.current_attempts(list(active_jobs))
        for response_id, attempt in active_jobs.items():
            if current_attempts.get(response_id) != attempt:
                self._worker.stop(response_id, StopReason.ATTEMPT_LOST)

    async def _delete_expired(self) -> None:
        await self._store.delete_expired()
        await self._queue.delete_old_log()

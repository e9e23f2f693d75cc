"""The job queue in PostgreSQL, through PgQueuer: dequeue, heartbeats, takeover from dead processes, delayed retry.

PgQueuer's ports are implemented here: the driver uses Tidegate's connection pool, and the repository handles two cases
that rows do not show: PostgreSQL was unavailable, or another worker has taken the job. The assembly imports this
module only where jobs run, because the library takes 50 ms to load.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Self

import msgspec
import structlog
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import JOB_STATUS, Channel, JobId, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.driver import NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter

from tidegate.background.job import QueueOutcome, Requeue, TakenOver
from tidegate.core.clock import Clock
from tidegate.core.errors import StoreError
from tidegate.storage.postgres import Connection, Postgres, queries

ENTRYPOINT = "response"
_RESTART_SECONDS = 1.0
_NO_TAKEOVER = timedelta(days=3650)
_LOG_RETENTION = timedelta(days=1)

_SETTINGS = DBSettings(
    # all are set: the library would read missing ones from environment variables with names as general as CHANNEL
    prefix="",
    db_schema=None,
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
)
_WAKE_PAYLOAD = msgspec.json.encode(
    {
        "type": "table_changed_event",
        "channel": _SETTINGS.channel,
        "operation": "insert",
        "table": _SETTINGS.queue_table,
        "sent_at": "1970-01-01T00:00:00Z",  # required by the library, and not used
    }
)

_log = structlog.get_logger("background")


RunJob = Callable[[str], Awaitable[QueueOutcome]]
"""Run the job of this id; return what happens to its queue row. Raises nothing but CancelledError."""


class JobQueue:
    """One process's access to the queue. Jobs run between `start` and `close`; `put` works at any time."""

    def __init__(
        self, postgres: Postgres, *, concurrency: int, lease_seconds: float, poll_seconds: float, clock: Clock
    ) -> None:
        """Run at most `concurrency` (2 or more) jobs at once, and poll every `poll_seconds`.

        A process without a heartbeat for `lease_seconds` loses its jobs to other processes.
        """
        self._concurrency = concurrency
        self._lease = timedelta(seconds=lease_seconds)
        self._poll = timedelta(seconds=poll_seconds)
        self._driver = _PoolDriver(postgres)
        self._repository = _repository(self._driver, clock, self._lease)
        self._manager: QueueManager | None = None
        self._run_task: asyncio.Task[None] | None = None
        self._is_closing = False

    def start(self, run_job: RunJob) -> None:
        """Start to take jobs and run them."""
        self._run_task = asyncio.create_task(self._run(run_job), name="background-queue")

    async def close(self) -> None:
        """Take no more jobs; return when the running ones have ended."""
        self._is_closing = True
        if self._manager is not None:
            self._manager.shutdown.set()
        if self._run_task is not None:
            await asyncio.wait({self._run_task})

    async def put(self, connection: Connection, job: str, *, priority: int) -> None:
        """Add a job within the caller's transaction; higher `priority` values are taken first."""
        driver = _ConnectionDriver(connection)
        await _repository(driver, self._repository.clock, self._lease).enqueue(ENTRYPOINT, job.encode(), priority)

    def wake(self) -> None:
        """Poll for jobs now."""
        self._driver.notify_listeners(_WAKE_PAYLOAD)

    async def delete_old_log(self) -> None:
        """Delete old rows of the library's own log. Raises PostgresUnavailable."""
        await self._driver.execute(queries("background")["forget_log"], _LOG_RETENTION)

    async def _run(self, work: RunJob) -> None:
        while not self._is_closing:
            self._manager = self._build_manager(work)
            try:
                await self._manager.run(
                    dequeue_timeout=self._poll,
                    batch_size=1,
                    max_concurrent_tasks=self._concurrency,
                    heartbeat_timeout=self._lease,
                    log_aggregation_interval=timedelta(0),
                )
            except StoreError as error:
                if not error.is_outage:
                    _log.warning("job queue is unavailable and will be retried", error=error.name, detail=error.message)
            except Exception:  # noqa: BLE001  # a defect in the library must not stop all jobs
                _log.exception("job queue failed and will be restarted")
            if not self._is_closing:
                await asyncio.sleep(_RESTART_SECONDS)

    def _build_manager(self, work: RunJob) -> QueueManager:
        async def execute(job: Job) -> None:
            await self._execute(job, work)

        self._driver.clear_listeners()
        manager = QueueManager(self._repository, channel=_SETTINGS.channel)
        manager.entrypoint(ENTRYPOINT, accepts_context=False)(execute)
        return manager

    async def _execute(self, job: Job, work: RunJob) -> None:
        end = Requeue() if self._is_closing else await work((job.payload or b"").decode())
        self.wake()  # a slot is free for another job
        if isinstance(end, TakenOver):
            self._repository.lost_jobs.add(job.id)
        elif isinstance(end, Requeue):
            raise RetryRequested(timedelta(seconds=end.delay_seconds))


class _PoolDriver:
    """PgQueuer's driver on Tidegate's pool. Nothing listens in PostgreSQL: call `notify_listeners` instead."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._listeners: list[NotifyCallback] = []
        self._shutdown = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        async with self._postgres.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *args)]

    async def execute(self, query: str, *args: object) -> str:
        async with self._postgres.connection() as connection:
            return str(await connection.execute(query, *args))

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:  # noqa: ARG002  # there is only one
        self._listeners.append(callback)

    async def notify(self, channel: str, payload: str) -> None:  # noqa: ARG002  # there is only one
        self.notify_listeners(payload.encode())

    def notify_listeners(self, payload: bytes) -> None:
        for listener in self._listeners:
            listener(payload)

    def clear_listeners(self) -> None:
        self._listeners.clear()

    @property
    def shutdown(self) -> asyncio.Event:
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return TaskManager()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the pool open: it is shared."""


class _ConnectionDriver(_PoolDriver):
    """The same on the connection of a running transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return [dict(row) for row in await self._connection.fetch(query, *args)]


def _repository(driver: _PoolDriver, clock: Clock, lease: timedelta) -> "_Repository":
    repository = _Repository(
        driver,
        QueryBuilderEnvironment(_SETTINGS),
        QueryQueueBuilder(_SETTINGS),
        QuerySchedulerBuilder(_SETTINGS),
    )
    repository.configure(clock, lease)
    return repository


class _Repository(Queries):
    """PgQueuer's queries, tolerant of an unavailable PostgreSQL and of jobs that another worker has taken.

    A failed write is not repeated: the job's heartbeat expires, and the next worker finds the job finished.
    """

    clock: Clock
    lost_jobs: set[JobId]

    def configure(self, clock: Clock, lease: timedelta) -> None:
        self.clock = clock
        self.lost_jobs = set()
        self._lease = lease
        self._up_since = clock.monotonic()

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        # no process could write heartbeats while PostgreSQL was away: wait for one lease before taking over jobs
        uptime = timedelta(seconds=self.clock.monotonic() - self._up_since)
        timeout = heartbeat_timeout if uptime >= self._lease else _NO_TAKEOVER
        try:
            return await super().dequeue(batch_size, entrypoints, queue_manager_id, global_concurrency_limit, timeout)
        except StoreError:
            self._up_since = self.clock.monotonic()
            return []

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        with contextlib.suppress(StoreError):
            await super().update_heartbeat(job_ids)

    async def log_jobs(self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]) -> None:
        own_entries = [entry for entry in job_status if entry[0].id not in self.lost_jobs]
        self.lost_jobs.difference_update(job.id for job, _, _ in job_status)
        with contextlib.suppress(StoreError):
            await super().log_jobs(own_entries)

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        with contextlib.suppress(StoreError):
            await super().retry_job(job, delay, traceback_record)

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        return await _or_zero(super().eligible_queued_work(entrypoints))

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        return await _or_zero(super().queued_work(entrypoints))

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        try:
            return await super().next_deferred_eta(entrypoints)
        except StoreError:
            return None


async def _or_zero(count: Awaitable[Any]) -> int:
    try:
        return int(await count)
    except StoreError:
        return 0

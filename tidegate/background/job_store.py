"""Background jobs in PostgreSQL: add, start, append events, finish. Used by the submitter, the worker and reports."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, Protocol

import msgspec

from tidegate.background.job import AlreadyFinished, GiveUp, JobAttempt, JobStatus, NewJob, StartAttempt, decide
from tidegate.core.errors import BackgroundQueueFull
from tidegate.storage.postgres import Connection, Postgres, queries

TransactionWrite = Callable[[Connection], Awaitable[None]]
"""A write within the caller's transaction."""
StartWrite = Callable[[Connection, JobStatus], Awaitable[None]]
"""A write within the transaction that starts an attempt at this job."""

_MAX_LISTED = 1000


class JobSubmissionQueue(Protocol):
    """The queue in which jobs wait for a worker."""

    async def put(self, connection: Connection, job: str, *, priority: int) -> None:
        """Add a job within the caller's transaction."""
        ...


class OpenJob(msgspec.Struct, frozen=True, kw_only=True):
    """A queued or running job, for reports. Times in Unix seconds."""

    response_id: str
    project: str
    key_id: str
    status: str
    attempt: int
    deaths: int
    worker: str | None
    created_at: float
    started_at: float | None
    deadline: float


class JobStore:
    """Store jobs. Methods raise PostgresUnavailable if PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._sql = queries("background")

    async def add(
        self,
        job: NewJob,
        events: Sequence[bytes],
        queue: JobSubmissionQueue,
        *,
        max_open: int,
        write_response: TransactionWrite,
    ) -> None:
        """Add a job with its first events. Raises BackgroundQueueFull if its project has `max_open` unfinished jobs."""
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(self._sql["lock_project"], job.project)
            waiting, tag = await self._fetch_one(connection, "waiting", job.project, job.weight)
            if waiting >= max_open:
                raise BackgroundQueueFull(
                    f"Project `{job.project}` has {waiting} unfinished background responses, and may have {max_open} "
                    "(`background.max_open`). The request was not queued. Wait until some finish, or cancel some."
                )
            await write_response(connection)
            times = (job.created_at, job.deadline)
            headers = msgspec.json.encode(job.headers).decode()
            await connection.execute(
                self._sql["add"],
                *(job.response_id, job.project, job.key_id, job.request_id, *times, tag, headers, job.body),
                len(events),
            )
            await connection.execute(self._sql["write"], job.response_id, 0, len(events) - 1, b"".join(events))
            await queue.put(connection, job.response_id, priority=-tag)

    async def start_attempt(
        self, response_id: str, *, worker: str, now: float, write_started: StartWrite
    ) -> JobAttempt | GiveUp | AlreadyFinished:
        """Start an attempt at a job and run `write_started` in its transaction. A deleted job counts as finished."""
        async with self.lock_job(response_id) as (connection, job):
            if job is None:
                return AlreadyFinished()
            decision = decide(job, now=now)
            if not isinstance(decision, StartAttempt):
                return decision
            next_event = job.next_event
            if decision.discard_from is not None:
                next_event = decision.discard_from
                await connection.execute(self._sql["take_back"], response_id, next_event)
            row = await connection.fetchrow(
                self._sql["begin"], response_id, worker, now, int(decision.previous_worker_died)
            )
            await write_started(connection, job)
        assert row is not None  # noqa: S101  # the row is locked
        headers = msgspec.json.decode(row["headers"] or "{}", type=dict[str, str])
        return JobAttempt(
            job=job, number=row["attempt"], next_event=next_event, headers=headers, body=bytes(row["body"] or b"")
        )

    async def release(self, attempt: JobAttempt) -> None:
        """Give up an attempt, so that another worker can start one."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["hand_back"], attempt.job.response_id, attempt.number)

    async def append_events(
        self, attempt: JobAttempt, first: int, events: Sequence[bytes], *, has_content: bool
    ) -> bool:
        """Write events numbered from `first`; return False if the attempt is no longer valid. Idempotent."""
        last = first + len(events) - 1
        values = (attempt.job.response_id, attempt.number, first, last, has_content, b"".join(events))
        async with self._postgres.connection() as connection:
            return bool(await connection.fetchval(self._sql["append"], *values))

    @contextlib.asynccontextmanager
    async def lock_job(self, response_id: str) -> AsyncIterator[tuple[Connection, JobStatus | None]]:
        """Open a transaction that locks the job's row; the job is None if it does not exist."""
        async with self._postgres.connection() as connection, connection.transaction():
            row = await connection.fetchrow(self._sql["lock_job"], response_id)
            yield connection, None if row is None else JobStatus(**row)

    async def finish(self, connection: Connection, job: JobStatus, terminal: bytes) -> None:
        """Finish a job with its last event, within the transaction of `lock_job`."""
        number = job.next_event
        await connection.execute(self._sql["write"], job.response_id, number, number, terminal)
        await connection.execute(self._sql["end"], job.response_id, number + 1)

    async def current_attempts(self, response_ids: Collection[str]) -> dict[str, int]:
        """Return the current attempt number of each of these jobs that is not finished."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["attempts"], list(response_ids))
        return {row["response_id"]: row["attempt"] for row in rows}

    async def delete_expired(self) -> None:
        """Delete jobs and events of expired responses; responses deleted by callers have none left."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["forget_expired"])

    async def open_jobs(self, project: str | None = None) -> list[OpenJob]:
        """Return queued and running jobs, oldest first."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["open_jobs"], project, _MAX_LISTED)
        return [OpenJob(**row) for row in rows]

    async def _fetch_one(self, connection: Connection, name: str, *values: object) -> tuple[Any, ...]:
        (row,) = await connection.fetch(self._sql[name], *values)
        return tuple(row)

"""Finishes background responses: completed, failed or cancelled, each exactly once.

Used by the worker and by the pipeline's BackgroundSubmitter.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tidegate.background.event_log import EventLog
from tidegate.background.event_recorder import renumber
from tidegate.background.job import JobAttempt, JobStatus
from tidegate.background.job_store import JobStore, TransactionWrite
from tidegate.background.notifications import JobNotifications
from tidegate.core.errors import CallerError, TidegateError
from tidegate.core.errors.response_error import response_error
from tidegate.wire import sse
from tidegate.wire.partial_response import assemble_partial

Json = dict[str, Any]

PartialResponseWriter = Callable[[JobStatus, Json], TransactionWrite]
"""Return the write that stores a failed or cancelled response."""

_decode = msgspec.json.Decoder(Json)


class JobCompletion:
    """Finish jobs. Methods raise PostgresUnavailable if PostgreSQL does not answer."""

    def __init__(
        self, store: JobStore, log: EventLog, notifications: JobNotifications, *, write_partial: PartialResponseWriter
    ) -> None:
        self._store = store
        self._log = log
        self._notifications = notifications
        self._write_partial = write_partial

    async def complete(self, attempt: JobAttempt, terminal: bytes, *, write_response: TransactionWrite) -> bool:
        """Finish a job with its answer; return False if the attempt is no longer valid.

        `terminal` is the stream's last event; `write_response` stores the response in the same transaction.
        """
        response_id = attempt.job.response_id
        async with self._store.lock_job(response_id) as (connection, job):
            if job is None or job.status == "finished" or job.attempt != attempt.number:
                return False
            await self._store.finish(connection, job, renumber(terminal, job.next_event))
            await write_response(connection)
        self._notifications.events_written(response_id)
        return True

    async def fail(self, response_id: str, error: TidegateError, *, attempt: int | None = None) -> bool:
        """Fail a job and keep its output so far; return False if it is finished or the attempt is no longer valid."""
        return await self._close(response_id, attempt, status="failed", error=response_error(error))

    async def cancel(self, project: str, response_id: str) -> bool:
        """Cancel a job and keep its output so far; return False if it is finished or belongs to another project."""
        return await self._close(response_id, None, status="cancelled", error=None, project=project)

    async def _close(
        self, response_id: str, attempt: int | None, *, status: str, error: Json | None, project: str | None = None
    ) -> bool:
        async with self._store.lock_job(response_id) as (connection, job):
            if job is None or job.status == "finished" or attempt not in (None, job.attempt):
                return False
            if project not in (None, job.project):
                return False
            events = await self._log.read_all(connection, job.project, response_id)
            document = assemble_partial(_decode.decode(sse.data_of(event) or b"{}") for event in events)
            assert document is not None  # noqa: S101  # the first event of each job has one
            document = {**document, "status": status, "error": error, "completed_at": None}
            event = {"type": "response.failed", "response": document, "sequence_number": job.next_event}
            await self._store.finish(connection, job, sse.encode(msgspec.json.encode(event), "response.failed"))
            try:
                await self._write_partial(job, document)(connection)
            except CallerError:  # the output cannot be stored: store the response without it
                await self._write_partial(job, {**document, "output": []})(connection)
        self._notifications.job_ended(response_id)
        return True

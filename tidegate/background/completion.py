"""How a background response comes to its end: answered, failed or cancelled, and only once."""

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
"""Writes a response that broke off, or was cancelled, where responses are kept."""

_decode = msgspec.json.Decoder(Json)


class JobCompletion:
    """Ends jobs. Its methods raise PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(
        self, store: JobStore, log: EventLog, notifications: JobNotifications, *, write_partial: PartialResponseWriter
    ) -> None:
        self._store = store
        self._log = log
        self._notifications = notifications
        self._write_partial = write_partial

    async def complete(self, attempt: JobAttempt, terminal: bytes, *, write_response: TransactionWrite) -> bool:
        """The job's answer has come to its own end; False where the attempt is no longer valid.

        `terminal` is the stream's last event; `also` writes the response.
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
        """The job failed, and keeps what was said; False where it is over, or the attempt is no longer valid."""
        return await self._close(response_id, attempt, status="failed", error=response_error(error))

    async def cancel(self, project: str, response_id: str) -> bool:
        """The job is not wanted any more; what was said is kept. False where it is over already, or not `project`'s."""
        return await self._close(response_id, None, status="cancelled", error=None, project=project)

    async def _close(
        self, response_id: str, attempt: int | None, *, status: str, error: Json | None, project: str | None = None
    ) -> bool:
        async with self._store.lock_job(response_id) as (connection, job):
            if job is None or job.status == "finished" or attempt not in (None, job.attempt):
                return False
            if project not in (None, job.project):
                return False
            said = await self._log.read_all(connection, job.project, response_id)
            document = assemble_partial(_decode.decode(sse.data_of(event) or b"{}") for event in said)
            assert document is not None  # noqa: S101  # a job begins with an event that has one
            document = {**document, "status": status, "error": error, "completed_at": None}
            event = {"type": "response.failed", "response": document, "sequence_number": job.next_event}
            await self._store.finish(connection, job, sse.encode(msgspec.json.encode(event), "response.failed"))
            try:
                await self._write_partial(job, document)(connection)
            except CallerError:  # what was said is nothing that can be kept: then the response is, without
                await self._write_partial(job, {**document, "output": []})(connection)
        self._notifications.job_ended(response_id)
        return True

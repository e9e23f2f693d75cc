"""Connects the pipeline to background jobs: submits them, and answers them when a worker starts them."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import msgspec

from tidegate.background.completion import JobCompletion
from tidegate.background.event_log import EventLog
from tidegate.background.event_reader import EventReader
from tidegate.background.job import JobAttempt, JobStatus, NewJob
from tidegate.background.job_store import JobStore, JobSubmissionQueue, TransactionWrite
from tidegate.background.notifications import JobNotifications
from tidegate.conversations.documents.records import ConversationItem
from tidegate.conversations.recorder import ResponsesRecorder
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core import endpoints
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import Clock
from tidegate.core.config import BODY_COPIES, BackgroundConfig
from tidegate.core.errors import ClientDisconnected, ResponseNotFound, TidegateError
from tidegate.core.process.call_memory import CallMemory, MemoryHold
from tidegate.core.tags import HEADER as TAGS_HEADER
from tidegate.core.values import AnswerHead, Caller
from tidegate.limits.request_count import RequestCount
from tidegate.metering.ledger.entries import encode
from tidegate.pipeline.call_record import CallRecord, CallReporter
from tidegate.pipeline.context import BackgroundAttempt, InferenceRequest, RequestContext
from tidegate.pipeline.delivery import ClientResponse, RequestedForm, ResponseStream
from tidegate.pipeline.remember import RecordedResponse
from tidegate.providers.registry import HeaderForwarding
from tidegate.storage.postgres import Connection
from tidegate.wire import sse
from tidegate.wire.call import Call

Json = dict[str, Any]

_MAX_EVENT_NUMBER = 2**31 - 1
"""The highest event number that the database can store."""
_STORED_HEADERS = ("cache-control", "x-tidegate-deadline", TAGS_HEADER)
"""Headers that are stored with the job, besides those that are forwarded upstream."""


class BackgroundSubmitter:
    """Submit background responses, and read their streams."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        request_count: RequestCount,
        jobs: JobStore,
        queue: JobSubmissionQueue,
        log: EventLog,
        notifications: JobNotifications,
        completion: JobCompletion,
        forwarding: HeaderForwarding,
        config: BackgroundConfig,
        clock: Clock,
    ) -> None:
        self._request_count = request_count
        self._jobs = jobs
        self._queue = queue
        self._log = log
        self._notifications = notifications
        self._completion = completion
        self._forwarding = forwarding
        self._config = config
        self._clock = clock

    async def submit(
        self, request: InferenceRequest, call: Call, context: RequestContext, recorder: ResponsesRecorder
    ) -> ResponseStream:
        """Store a placeholder response and its job, and answer with the placeholder.

        `call` is the call as it came: the worker loads its history again. Raises BackgroundQueueFull, StoreError, and
        the rejections of limits and budgets that waiting would not cure.
        """
        if context.record is not None:
            context.record.is_submission = True
        await self._request_count.count_background(
            context.reservation, encode(msgspec.structs.replace(context.initial_entry, cache="off"))
        )
        caller = context.caller
        document = recorder.placeholder()
        now = self._clock.now()
        job = NewJob(
            response_id=recorder.id,
            project=caller.project,
            key_id=caller.key_id,
            request_id=request.id,
            created_at=now,
            deadline=now + self._config.deadline_seconds,
            weight=caller.priority.weight,
            headers=self._stored_headers(request.headers),
            body=msgspec.json.encode(call.with_stream(stream=True).raw),
        )
        write_response = partial(recorder.save_placeholder, document)
        await self._jobs.add(
            job, _first_events(document), self._queue, max_open=self._config.max_open, write_response=write_response
        )
        self._notifications.job_added()
        if call.stream:
            return self.stream(caller.project, recorder.id)
        head = AnswerHead(stream=False, served_by="")
        return ClientResponse(
            BufferedAnswer(head, [msgspec.json.encode(document)]), _requested_form(stream=False), cache="off"
        )

    def stream(self, project: str, response_id: str, *, after: int = -1) -> ResponseStream:
        """Return the stream of a background response, after the event of this number."""
        reader = EventReader(
            self._log,
            self._notifications,
            project=project,
            response_id=response_id,
            after=min(after, _MAX_EVENT_NUMBER),
            deleted_error=ResponseNotFound,
        )
        return ClientResponse(reader, _requested_form(stream=True), cache="off")

    async def cancel(self, project: str, response_id: str) -> None:
        """Cancel a background response that is not over, and store what there is of it."""
        await self._completion.cancel(project, response_id)

    def _stored_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {
            **self._forwarding.select(headers),
            **{name: headers[name] for name in _STORED_HEADERS if name in headers},
        }


class AnswerRequest(Protocol):
    """The pipeline."""

    async def __call__(self, request: InferenceRequest) -> ResponseStream:
        """Answer a request. Raises TidegateError."""
        ...


class JobExecutor:
    """Answer jobs by the pipeline. Implements the worker's protocol for it."""

    def __init__(
        self, answer: AnswerRequest, responses: ResponseStore, memory: CallMemory, reporter: CallReporter | None = None
    ) -> None:
        """`memory` is that of request bodies. `reporter` reports each job's call; None where calls are not observed."""
        self._memory = memory
        self._reporter = reporter
        self._answer = answer
        self._responses = responses

    async def start(self, attempt: JobAttempt) -> "JobExecution":
        """Start the job's call, like any other. Its body counts in the memory of bodies. Raises TidegateError."""
        job = attempt.job
        hold = self._memory.hold(job.key_id)

        async def body(_: Caller) -> bytes:
            await hold.grow(BODY_COPIES * len(attempt.body))
            return attempt.body

        background_attempt = BackgroundAttempt(
            key_id=job.key_id, response_id=job.response_id, created_at=job.created_at
        )
        record = None if self._reporter is None else self._reporter.begin(attempt.call_id, endpoints.RESPONSES)
        if record is not None:
            record.is_background = True
        request = InferenceRequest(
            id=attempt.call_id,
            endpoint=endpoints.RESPONSES,
            authorization="",
            headers=attempt.headers,
            body=body,
            background_attempt=background_attempt,
            hold=hold,
            record=record,
        )
        try:
            return JobExecution(await self._answer(request), hold, record)
        except BaseException as error:  # rejected or cancelled: no answer will ever end the record
            hold.release()
            if record is not None:
                record.end(error if isinstance(error, TidegateError) else ClientDisconnected())
            raise

    async def write_started(self, connection: Connection, job: JobStatus) -> None:
        """Write that the response is in progress."""
        await self._responses.mark_in_progress(job.project, job.response_id, transaction=connection)


class JobExecution:
    """A job's call after admission, and its answer."""

    def __init__(self, response: ResponseStream, hold: MemoryHold, record: CallRecord | None = None) -> None:
        assert isinstance(response, RecordedResponse)  # noqa: S101  # a job's response is stored, so it has a recorder
        assert isinstance(response.recorder, ResponsesRecorder)  # noqa: S101  # and it is a response
        self._recorder = response.recorder
        self.events = _JobEvents(response, hold, record)

    def response_write(self) -> TransactionWrite:
        """Return what writes the finished response."""
        return self._recorder.save_result


class _JobEvents:
    """The events of a job's answer, which is opened by the first read."""

    def __init__(self, response: ResponseStream, hold: MemoryHold, record: CallRecord | None) -> None:
        self._response = response
        self._hold = hold
        self._record = record
        self._is_open = False
        self._failure: TidegateError | None = ClientDisconnected()
        """Why the answer ends: it was stopped, unless it turns out otherwise."""

    async def next(self) -> bytes | None:
        try:
            if not self._is_open:
                await self._response.head()
                self._is_open = True
            event = await self._response.next()
        except TidegateError as error:
            self._failure = error
            raise
        if event is None:
            self._failure = None
        return event

    async def close(self) -> None:
        try:
            await self._response.close()
        finally:
            self._hold.release()
            if self._record is not None:
                self._record.end(self._failure)


class UnfinishedResponses:
    """Store responses that failed or were cancelled, with the output that exists."""

    def __init__(self, responses: ResponseStore) -> None:
        self._responses = responses

    def write_of(self, job: JobStatus, document: Json) -> TransactionWrite:
        """Return what writes the response of a job in the transaction that ends the job."""
        return partial(self._write, job, document)

    async def _write(self, job: JobStatus, document: Json, connection: Connection) -> None:
        await self._responses.finish(
            job.project,
            job.response_id,
            status=document["status"],
            document=msgspec.json.encode({name: value for name, value in document.items() if name != "output"}),
            outputs=[ConversationItem.from_document(msgspec.json.encode(item)) for item in document["output"]],
            transaction=connection,
        )


def _first_events(document: Json) -> list[bytes]:
    kinds = ("response.created", "response.queued")
    events = [{"type": kind, "response": document, "sequence_number": n} for n, kind in enumerate(kinds)]
    return [sse.encode(msgspec.json.encode(event), str(event["type"])) for event in events]


def _requested_form(*, stream: bool) -> RequestedForm:
    return RequestedForm(endpoint=endpoints.RESPONSES, stream=stream, usage_chunk=True, echo="")

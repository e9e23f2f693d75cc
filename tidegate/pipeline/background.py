"""Background responses between the story and the jobs: taken in, and asked when a worker comes to them."""

from collections.abc import Callable, Mapping
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
from tidegate.core.config import BackgroundConfig
from tidegate.core.errors import ResponseNotFound
from tidegate.core.values import AnswerHead
from tidegate.limits.request_count import RequestCount
from tidegate.metering.ledger.entries import encode
from tidegate.pipeline.context import BackgroundAttempt, InferenceRequest, RequestContext
from tidegate.pipeline.delivery import ClientResponse, RequestedForm, ResponseStream
from tidegate.pipeline.remember import RecordedResponse
from tidegate.storage.postgres import Connection
from tidegate.wire import sse
from tidegate.wire.call import Call

Json = dict[str, Any]

_MAX_EVENT_NUMBER = 2**31 - 1
"""Of an event; what the database counts with."""
_STORED_HEADERS = ("cache-control", "x-tidegate-deadline")
"""Headers that say how a call is answered, besides those that go upstream."""


class BackgroundSubmitter:
    """Takes background responses in, and reads their streams."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        request_count: RequestCount,
        jobs: JobStore,
        queue: JobSubmissionQueue,
        log: EventLog,
        notifications: JobNotifications,
        completion: JobCompletion,
        upstream_headers: Callable[[Mapping[str, str]], Mapping[str, str]],
        config: BackgroundConfig,
        clock: Clock,
    ) -> None:
        """`forwarded` gives those of a request's headers that go upstream; no others are kept."""
        self._request_count = request_count
        self._jobs = jobs
        self._queue = queue
        self._log = log
        self._notifications = notifications
        self._completion = completion
        self._upstream_headers = upstream_headers
        self._config = config
        self._clock = clock

    async def submit(
        self, request: InferenceRequest, call: Call, ticket: RequestContext, memory: ResponsesRecorder
    ) -> ResponseStream:
        """Promise an answer: the response waits, and so does its job.

        `call` is as it came; what it goes on from is looked up again. Raises BackgroundQueueFull, StoreError and, of
        the caller's limits and budgets, what will not pass.
        """
        await self._request_count.count_background(
            ticket.reservation, encode(msgspec.structs.replace(ticket.initial_entry, cache="off"))
        )
        caller = ticket.caller
        document = memory.placeholder()
        now = self._clock.now()
        job = NewJob(
            response_id=memory.id,
            project=caller.project,
            key_id=caller.key_id,
            request_id=request.id,
            created_at=now,
            deadline=now + self._config.deadline_seconds,
            weight=caller.priority.weight,
            headers=self._stored_headers(request.headers),
            body=msgspec.json.encode(call.with_stream(stream=True).raw),
        )
        also = partial(memory.save_placeholder, document)
        await self._jobs.add(
            job, _first_events(document), self._queue, max_open=self._config.max_open, write_response=also
        )
        self._notifications.job_added()
        if call.stream:
            return self.stream(caller.project, memory.id)
        head = AnswerHead(stream=False, served_by="")
        return ClientResponse(
            BufferedAnswer(head, [msgspec.json.encode(document)]), _requested_form(stream=False), cache="off"
        )

    def stream(self, project: str, response_id: str, *, after: int = -1) -> ResponseStream:
        """The stream of a background response, after the event of this number."""
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
        """End a project's background response, if it has not come to its end, and keep what was said."""
        await self._completion.cancel(project, response_id)

    def _stored_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {
            **self._upstream_headers(headers),
            **{name: headers[name] for name in _STORED_HEADERS if name in headers},
        }


class AnswerRequest(Protocol):
    """The story."""

    async def __call__(self, request: InferenceRequest) -> ResponseStream:
        """Answer a request. Raises TidegateError."""
        ...


class JobExecutor:
    """Asks jobs by the story. Implements `tidegate.background.worker.Desk`."""

    def __init__(self, answer: AnswerRequest, responses: ResponseStore) -> None:
        self._answer = answer
        self._responses = responses

    async def start(self, attempt: JobAttempt) -> "JobExecution":
        """Ask, as any call is. Raises TidegateError."""

        async def body() -> bytes:
            return attempt.body

        job = attempt.job
        background_attempt = BackgroundAttempt(
            key_id=job.key_id, response_id=job.response_id, created_at=job.created_at
        )
        return JobExecution(
            await self._answer(
                InferenceRequest(
                    id=attempt.call_id,
                    endpoint=endpoints.RESPONSES,
                    authorization="",
                    headers=attempt.headers,
                    body=body,
                    background_attempt=background_attempt,
                )
            )
        )

    async def write_started(self, connection: Connection, job: JobStatus) -> None:
        """Write that the response is being worked on."""
        await self._responses.mark_in_progress(job.project, job.response_id, transaction=connection)


class JobExecution:
    """A call that was let in, and its answer."""

    def __init__(self, passage: ResponseStream) -> None:
        assert isinstance(passage, RecordedResponse)  # noqa: S101  # a job's response is stored, so it passes a memory
        assert isinstance(passage.recorder, ResponsesRecorder)  # noqa: S101  # and it is a response
        self._recorder = passage.recorder
        self.events = _JobEvents(passage)

    def response_write(self) -> TransactionWrite:
        """Writes the finished response."""
        return self._recorder.save_result


class _JobEvents:
    """An answer that is opened before its first event is asked for."""

    def __init__(self, passage: ResponseStream) -> None:
        self._response = passage
        self._is_open = False
        self.close = passage.close

    async def next(self) -> bytes | None:
        if not self._is_open:
            await self._response.head()
            self._is_open = True
        return await self._response.next()


def record_unfinished(responses: ResponseStore) -> Callable[[JobStatus, Json], TransactionWrite]:
    """Writes responses that failed or were cancelled, with what was said, where `responses` are kept."""

    def kept(job: JobStatus, document: Json) -> TransactionWrite:
        body = msgspec.json.encode({name: value for name, value in document.items() if name != "output"})
        outputs = [ConversationItem.from_document(msgspec.json.encode(item)) for item in document["output"]]

        async def also(connection: Connection) -> None:
            await responses.finish(
                job.project,
                job.response_id,
                status=document["status"],
                document=body,
                outputs=outputs,
                transaction=connection,
            )

        return also

    return kept


def _first_events(document: Json) -> list[bytes]:
    kinds = ("response.created", "response.queued")
    events = [{"type": kind, "response": document, "sequence_number": n} for n, kind in enumerate(kinds)]
    return [sse.encode(msgspec.json.encode(event), str(event["type"])) for event in events]


def _requested_form(*, stream: bool) -> RequestedForm:
    return RequestedForm(endpoint=endpoints.RESPONSES, stream=stream, usage_chunk=True, echo="")

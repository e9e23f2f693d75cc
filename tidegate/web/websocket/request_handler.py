"""Answers one `response.create` message, up to its last event. Used by connection.py."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog

from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.config import BODY_COPIES
from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.events import CallFailure
from tidegate.core.ids import IdSource
from tidegate.core.process.call_memory import CallMemory, MemoryHold
from tidegate.core.process.heavy_turns import with_pauses
from tidegate.core.values import Caller
from tidegate.pipeline.call_record import CallRecord, CallReporter
from tidegate.pipeline.context import InferenceRequest
from tidegate.pipeline.delivery import ResponseStream
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web import envelope
from tidegate.web.websocket.event_rewriter import EventRewriter
from tidegate.web.websocket.response_cache import ConnectionResponses, UnstoredResponse
from tidegate.wire.call import parse
from tidegate.wire.socket import CreateMessage, document_frame
from tidegate.wire.translate.document import in_progress_document

Json = dict[str, Any]
SendText = Callable[[str], Awaitable[None]]
"""Send a text frame. Raises ClientGone."""
FailureSink = Callable[[CallFailure], None]
"""Count a request that ended with a typed error."""

_log = structlog.get_logger("web")


class ConnectionContext:
    """What all requests of one connection share."""

    def __init__(  # noqa: PLR0913  # constructor injection: one parameter for each collaborator
        self,
        *,
        pipeline: Pipeline,
        headers: Mapping[str, str],
        send_text: SendText,
        unstored_responses: ConnectionResponses,
        memory: CallMemory,
        clock: Clock,
        ids: IdSource,
        on_failure: FailureSink,
        reporter: CallReporter | None,
    ) -> None:
        """`headers` are those of the connection's handshake; they apply to each request."""
        self.reporter = reporter
        self.pipeline = pipeline
        self.headers = headers
        self.send_text = send_text
        self.unstored_responses = unstored_responses
        self.memory = memory
        self.clock = clock
        self.ids = ids
        self._on_failure = on_failure

    def report_failure(self, error: TidegateError) -> None:
        """Report the error that ended a request."""
        self._on_failure(CallFailure(error=error.name, route=endpoints.RESPONSES.label))


class SocketRequestHandler:
    """Answer one request."""

    def __init__(self, create: CreateMessage, context: ConnectionContext) -> None:
        self._create = create
        self._context = context
        self._parent: UnstoredResponse | None = None
        self._stream_task: asyncio.Task[None] | None = None
        self._cancelled: TidegateError | None = None
        self._record: CallRecord | None = None

    async def run(self) -> None:
        """Send all events, or the error."""
        request_id = self._context.ids("req_")
        try:
            try:
                await self._answer(request_id)
                self._end_record(None)
            except ClientDisconnected as gone:
                self._context.report_failure(gone)
                self._end_record(gone)
            except TidegateError as error:
                await self._send_error(error, request_id)
            except Exception:  # noqa: BLE001  # a defect in the gateway: send an error, log the trace, keep the connection
                _log.exception("unexpected failure", request_id=request_id, path=endpoints.RESPONSES.path)
                await self._send_error(TidegateError(), request_id)
        except ClientDisconnected:
            return

    def cancel(self, error: TidegateError) -> None:
        """End the upstream request with this error: the client is gone, or the process ends."""
        self._cancelled = self._cancelled or error
        if self._stream_task is not None:
            self._stream_task.cancel()

    async def _answer(self, request_id: str) -> None:
        create, kit = self._create, self._context
        self._parent = kit.unstored_responses.find(create.previous_response_id)
        if not create.generate:
            await self._send_empty_response()
            return
        self._rewriter = EventRewriter(
            create, self._parent, remember=partial(kit.unstored_responses.remember, create, self._parent)
        )
        body = await with_pauses(create.body_in_steps(self._rewriter.request_overrides))
        if kit.reporter is not None:
            self._record = kit.reporter.begin(request_id, endpoints.RESPONSES)

        with kit.memory.hold() as hold:
            await self._ask(request_id, body, hold)

    async def _ask(self, request_id: str, body: bytes, hold: MemoryHold) -> None:
        """Send the request, and its answer; `hold` is for what its history adds to the message."""
        create, kit = self._create, self._context

        async def read(caller: Caller) -> bytes:
            hold.key_id = caller.key_id
            await hold.grow(BODY_COPIES * max(0, len(body) - create.size))
            return body

        request = InferenceRequest(
            id=request_id,
            endpoint=endpoints.RESPONSES,
            authorization=kit.headers.get("authorization", ""),
            headers=kit.headers,
            body=read,
            hold=hold,
            record=self._record,
        )
        delivery = await kit.pipeline.answer(request)  # never cancelled: it must release what it reserves
        try:
            if self._cancelled is None:
                await self._stream_cancellable(delivery)
        finally:
            await delivery.close(self._cancelled)

    async def _stream_cancellable(self, delivery: ResponseStream) -> None:
        self._stream_task = asyncio.create_task(self._stream(delivery), name="socket-answer")
        try:
            await self._stream_task
        except asyncio.CancelledError:
            if self._cancelled is None:
                raise
            raise self._cancelled from None

    async def _stream(self, delivery: ResponseStream) -> None:
        await delivery.head()
        while (event := await delivery.next()) is not None:
            if (text := self._rewriter.to_frame(event)) is not None:
                await self._context.send_text(text)

    async def _send_empty_response(self) -> None:
        """Answer `generate: false`: remember the input for later requests and send an empty response."""
        create, kit = self._create, self._context
        call = parse(endpoints.RESPONSES, create.body())
        document = in_progress_document(
            call.body, response_id=kit.ids("resp_"), created_at=kit.clock.now(), model=call.model
        )
        ended = {**document, "status": "completed", "completed_at": document["created_at"], "usage": _ZERO_USAGE}
        kit.unstored_responses.remember(create, self._parent, ended)
        events = (("response.created", document), ("response.in_progress", document), ("response.completed", ended))
        for number, (kind, response) in enumerate(events):
            event = {"type": kind, "sequence_number": number, "response": response}
            await kit.send_text(document_frame(event, create.stream_id))

    def _end_record(self, error: TidegateError | None) -> None:
        if self._record is not None:
            self._record.end(error)

    async def _send_error(self, error: TidegateError, request_id: str) -> None:
        self._context.report_failure(error)
        self._end_record(error)
        previous = self._create.previous_response_id
        if previous is not None and self._parent is not None and self._parent.stream_id == self._create.stream_id:
            # as at OpenAI: a response that led to an error on its own stream cannot be continued
            self._context.unstored_responses.forget(previous)
        await self._context.send_text(error_frame(error, stream_id=self._create.stream_id, request_id=request_id))


def error_frame(error: TidegateError, *, stream_id: str | None, request_id: str) -> str:
    """Return an error as a WebSocket event, with the headers that HTTP would have."""
    headers = {name.decode(): value.decode() for name, value in envelope.headers_of(error)}
    body = {**envelope.error_object(error), "headers": {**headers, "x-request-id": request_id}}
    return document_frame({"type": "error", "status": envelope.status_of(error), "error": body}, stream_id)


_ZERO_USAGE: Json = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}
"""The usage of a request that calls no model."""

"""One `response.create`, from its message to the last of its events."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog

from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.errors import ClientGone, TidegateError
from tidegate.core.events import Failure
from tidegate.core.ids import IdSource
from tidegate.pipeline.context import Request
from tidegate.pipeline.delivery import Passage
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web import envelope
from tidegate.web.websocket.event_rewriter import Retelling
from tidegate.web.websocket.response_cache import Compartment, Remembered
from tidegate.wire.call import parse
from tidegate.wire.socket import Create, encoded
from tidegate.wire.translate.document import begun

Json = dict[str, Any]
Say = Callable[[str], Awaitable[None]]
"""Sends a text frame. Raises ClientGone."""
Failed = Callable[[Failure], None]
"""Is told of each request that ends with a typed error."""

_log = structlog.get_logger("web")


class Kit:
    """What all answers on a connection are made with."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        *,
        pipeline: Pipeline,
        headers: Mapping[str, str],
        say: Say,
        recent: Compartment,
        clock: Clock,
        ids: IdSource,
        failed: Failed,
    ) -> None:
        """`headers` are those of the connection's handshake, and hold for each of its requests."""
        self.pipeline = pipeline
        self.headers = headers
        self.say = say
        self.recent = recent
        self.clock = clock
        self.ids = ids
        self._failed = failed

    def count(self, error: TidegateError) -> None:
        """A request ended with this."""
        self._failed(Failure(error=error.name, route=endpoints.RESPONSES.label))


class Answering:
    """Answers one request."""

    def __init__(self, create: Create, kit: Kit) -> None:
        self._create = create
        self._kit = kit
        self._parent: Remembered | None = None
        self._streaming: asyncio.Task[None] | None = None
        self._gone = False

    async def run(self) -> None:
        """Say all there is to say; errors are said, too."""
        request_id = self._kit.ids("req_")
        try:
            try:
                await self._answer(request_id)
            except ClientGone as gone:
                self._kit.count(gone)
            except TidegateError as error:
                await self._refuse(error, request_id)
            except Exception:  # noqa: BLE001  # a defect of ours: the caller gets an error, the log the trace, the connection goes on
                _log.exception("unexpected failure", request_id=request_id, path=endpoints.RESPONSES.path)
                await self._refuse(TidegateError(), request_id)
        except ClientGone:
            return

    def hang_up(self) -> None:
        """The client is gone: end the call upstream."""
        self._gone = True
        if self._streaming is not None:
            self._streaming.cancel()

    async def _answer(self, request_id: str) -> None:
        create, kit = self._create, self._kit
        self._parent = kit.recent.find(create.previous)
        if not create.generate:
            await self._prepare()
            return
        self._retelling = Retelling(create, self._parent, keep=partial(kit.recent.keep, create, self._parent))
        body = create.body(**self._retelling.asks)

        async def read() -> bytes:
            return body

        request = Request(
            id=request_id,
            route=endpoints.RESPONSES,
            authorization=kit.headers.get("authorization", ""),
            headers=kit.headers,
            body=read,
        )
        delivery = await kit.pipeline.answer(request)  # never cancelled: what it takes, it has to give back
        try:
            if not self._gone:
                await self._streamed(delivery)
        finally:
            await delivery.leave()

    async def _streamed(self, delivery: Passage) -> None:
        self._streaming = asyncio.create_task(self._stream(delivery), name="socket-answer")
        try:
            await self._streaming
        except asyncio.CancelledError:
            if not self._gone:
                raise
            raise ClientGone from None

    async def _stream(self, delivery: Passage) -> None:
        await delivery.opened()
        while (event := await delivery.next()) is not None:
            if (text := self._retelling.text(event)) is not None:
                await self._kit.say(text)

    async def _prepare(self) -> None:
        """`generate: false`: keep what was said for the requests that go on from here, and say nothing to it."""
        create, kit = self._create, self._kit
        call = parse(endpoints.RESPONSES, create.body())
        document = begun(call.body, response_id=kit.ids("resp_"), created_at=kit.clock.now(), model=call.model)
        ended = {**document, "status": "completed", "completed_at": document["created_at"], "usage": _NOTHING}
        kit.recent.keep(create, self._parent, ended)
        events = (("response.created", document), ("response.in_progress", document), ("response.completed", ended))
        for number, (kind, response) in enumerate(events):
            event = {"type": kind, "sequence_number": number, "response": response}
            await kit.say(encoded(event, create.stream_id))

    async def _refuse(self, error: TidegateError, request_id: str) -> None:
        self._kit.count(error)
        previous = self._create.previous
        if previous is not None and self._parent is not None and self._parent.stream_id == self._create.stream_id:
            # as OpenAI has it: what led to an error on its own stream is not gone on from again
            self._kit.recent.forget(previous)
        await self._kit.say(error_frame(error, stream_id=self._create.stream_id, request_id=request_id))


def error_frame(error: TidegateError, *, stream_id: str | None, request_id: str) -> str:
    """An error as an event of the socket, with the headers that HTTP would have carried."""
    headers = {name.decode(): value.decode() for name, value in envelope.headers_of(error)}
    said = {**envelope.inside(error), "headers": {**headers, "x-request-id": request_id}}
    return encoded({"type": "error", "status": envelope.status_of(error), "error": said}, stream_id)


_NOTHING: Json = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}
"""What a request that asks nobody uses."""

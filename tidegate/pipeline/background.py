"""Background responses between the story and the jobs: taken in, and asked when a worker comes to them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec

from tidegate.background.completion import Closing
from tidegate.background.event_log import EventLog
from tidegate.background.event_reader import Reader
from tidegate.background.job import Begun, NewJob, Standing
from tidegate.background.job_store import Also, JobStore, Queue
from tidegate.background.notifications import News
from tidegate.cache.buffered_answer import Given
from tidegate.conversations.documents.records import Item
from tidegate.conversations.recorder import ResponseMemory
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.config import BackgroundConfig
from tidegate.core.errors import ResponseNotFound
from tidegate.core.values import AnswerHead
from tidegate.limits.request_count import Visits
from tidegate.metering.ledger.entries import encode
from tidegate.pipeline.context import Attempt, Request, Ticket
from tidegate.pipeline.delivery import Delivery, Passage, Wanted
from tidegate.pipeline.remember import Remembering
from tidegate.storage.postgres import Connection
from tidegate.wire import sse
from tidegate.wire.call import Call

Json = dict[str, Any]

_LAST_NUMBER = 2**31 - 1
"""Of an event; what the database counts with."""
_SHAPING = ("cache-control", "x-tidegate-deadline")
"""Headers that say how a call is answered, besides those that go upstream."""


class Deferral:
    """Takes background responses in, and reads their streams."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        visits: Visits,
        jobs: JobStore,
        queue: Queue,
        log: EventLog,
        news: News,
        closing: Closing,
        forwarded: Callable[[Mapping[str, str]], Mapping[str, str]],
        config: BackgroundConfig,
        clock: Clock,
    ) -> None:
        """`forwarded` gives those of a request's headers that go upstream; no others are kept."""
        self._visits = visits
        self._jobs = jobs
        self._queue = queue
        self._log = log
        self._news = news
        self._closing = closing
        self._forwarded = forwarded
        self._config = config
        self._clock = clock

    async def take(self, request: Request, call: Call, ticket: Ticket, memory: ResponseMemory) -> Passage:
        """Promise an answer: the response waits, and so does its job.

        `call` is as it came; what it goes on from is looked up again. Raises BackgroundQueueFull, StoreError and, of
        the caller's limits and budgets, what will not pass.
        """
        await self._visits.promise(ticket.terms, encode(msgspec.structs.replace(ticket.opened, cache="off")))
        caller = ticket.caller
        document = memory.promised()
        now = self._clock.now()
        job = NewJob(
            response_id=memory.id,
            project=caller.project,
            key_id=caller.key_id,
            request_id=request.id,
            created_at=now,
            deadline=now + self._config.deadline_seconds,
            weight=caller.priority.weight,
            headers=self._kept(request.headers),
            body=msgspec.json.encode(call.in_form(stream=True).raw),
        )
        also = partial(memory.promise, document)
        await self._jobs.add(job, _first_events(document), self._queue, most=self._config.max_open, also=also)
        self._news.work()
        if call.stream:
            return self.stream(caller.project, memory.id)
        head = AnswerHead(stream=False, served_by="")
        return Delivery(Given(head, [msgspec.json.encode(document)]), _wanted(stream=False), cache="off")

    def stream(self, project: str, response_id: str, *, after: int = -1) -> Passage:
        """The stream of a background response, after the event of this number."""
        reader = Reader(
            self._log,
            self._news,
            project=project,
            response_id=response_id,
            after=min(after, _LAST_NUMBER),
            gone=ResponseNotFound,
        )
        return Delivery(reader, _wanted(stream=True), cache="off")

    async def cancel(self, project: str, response_id: str) -> None:
        """End a project's background response, if it has not come to its end, and keep what was said."""
        await self._closing.cancel(project, response_id)

    def _kept(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {**self._forwarded(headers), **{name: headers[name] for name in _SHAPING if name in headers}}


class Answering(Protocol):
    """The story."""

    async def __call__(self, request: Request) -> Passage:
        """Answer a request. Raises TidegateError."""
        ...


class JobDesk:
    """Asks jobs by the story. Implements `tidegate.background.worker.Desk`."""

    def __init__(self, answer: Answering, responses: ResponseStore) -> None:
        self._answer = answer
        self._responses = responses

    async def ask(self, begun: Begun) -> "AskedJob":
        """Ask, as any call is. Raises TidegateError."""

        async def body() -> bytes:
            return begun.body

        job = begun.job
        attempt = Attempt(key_id=job.key_id, response_id=job.response_id, created_at=job.created_at)
        return AskedJob(
            await self._answer(
                Request(
                    id=begun.call_id,
                    route=endpoints.RESPONSES,
                    authorization="",
                    headers=begun.headers,
                    body=body,
                    attempt=attempt,
                )
            )
        )

    async def began(self, connection: Connection, job: Standing) -> None:
        """Write that the response is being worked on."""
        await self._responses.progress(job.project, job.response_id, within=connection)


class AskedJob:
    """A call that was let in, and its answer."""

    def __init__(self, passage: Passage) -> None:
        assert isinstance(passage, Remembering)  # noqa: S101  # a job's response is stored, so it passes a memory
        assert isinstance(passage.memory, ResponseMemory)  # noqa: S101  # and it is a response
        self._memory = passage.memory
        self.answer = _Opened(passage)

    def kept(self) -> Also:
        """Writes the finished response."""
        return self._memory.fulfil


class _Opened:
    """An answer that is opened before its first event is asked for."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self._open = False
        self.leave = passage.leave

    async def next(self) -> bytes | None:
        if not self._open:
            await self._passage.opened()
            self._open = True
        return await self._passage.next()


def broken_off(responses: ResponseStore) -> Callable[[Standing, Json], Also]:
    """Writes responses that failed or were cancelled, with what was said, where `responses` are kept."""

    def kept(job: Standing, document: Json) -> Also:
        body = msgspec.json.encode({name: value for name, value in document.items() if name != "output"})
        outputs = [Item.of(msgspec.json.encode(item)) for item in document["output"]]

        async def also(connection: Connection) -> None:
            await responses.finish(
                job.project,
                job.response_id,
                status=document["status"],
                document=body,
                outputs=outputs,
                within=connection,
            )

        return also

    return kept


def _first_events(document: Json) -> list[bytes]:
    kinds = ("response.created", "response.queued")
    events = [{"type": kind, "response": document, "sequence_number": n} for n, kind in enumerate(kinds)]
    return [sse.encode(msgspec.json.encode(event), str(event["type"])) for event in events]


def _wanted(*, stream: bool) -> Wanted:
    return Wanted(route=endpoints.RESPONSES, stream=stream, usage_chunk=True, echo="")

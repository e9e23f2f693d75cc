"""A response that is said piece by piece, as the test wants it, and the parts of one process around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from tidegate.background.completion import JobCompletion
from tidegate.background.event_log import EventLog
from tidegate.background.job import JobAttempt, JobStatus, NewJob
from tidegate.background.job_queue import JobQueue
from tidegate.background.job_store import JobStore, TransactionWrite
from tidegate.background.notifications import JobNotifications
from tidegate.background.supervisor import WorkerSupervisor
from tidegate.background.worker import Worker
from tidegate.core.clock import Clock, ManualClock, SystemClock
from tidegate.core.errors import TidegateError
from tidegate.core.events import Event
from tidegate.storage.postgres import Connection, Postgres
from tidegate.storage.redis import RedisLink
from tidegate.wire import sse
from tidegate.wire.responses import to_events

Json = dict[str, Any]

WORDS = "High tide is at noon, and again after midnight."


def response(status: str = "completed", text: str = WORDS, name: str = "resp_1") -> Json:
    """A finished response that says `text`."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {"id": name, "object": "response", "status": status, "output": [item], "error": None, "usage": None}


def stream(text: str = WORDS, name: str = "resp_1") -> list[bytes]:
    """The events of such a response, as the upstream streams it."""
    return [event(one) for one in to_events(response(text=text, name=name))]


def event(document: Json) -> bytes:
    """An event as bytes."""
    return sse.encode(msgspec.json.encode(document), document["type"])


def decoded(events: Sequence[bytes]) -> list[Json]:
    """Events as documents."""
    return [msgspec.json.decode(sse.data_of(one) or b"{}") for one in events]


def first_events(name: str = "resp_1") -> list[bytes]:
    """What is said when a job is taken in."""
    queued = {**response("queued", name=name), "output": []}
    kinds = ("response.created", "response.queued")
    return [event({"type": kind, "response": queued, "sequence_number": n}) for n, kind in enumerate(kinds)]


def new_job(
    name: str = "resp_1", project: str = "shop", *, now: float, seconds: float = 3600.0, weight: int = 4
) -> NewJob:
    """A job that may take `seconds`."""
    return NewJob(
        response_id=name,
        project=project,
        key_id="key_1",
        request_id=f"req_{name}",
        created_at=now,
        deadline=now + seconds,
        weight=weight,
        headers={"openai-beta": "x"},
        body=b'{"model":"gpt-4o-mini","input":"When is high tide?","background":true}',
    )


async def no_write(*_: object) -> None:
    """No more is written in the transaction."""


class RecordingQueue:
    """Remembers what was put into it."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, int]] = []

    async def put(self, _: Connection, job: str, *, priority: int) -> None:
        """Remember it."""
        self.jobs.append((job, priority))


class ScriptedEvents:
    """An answer that says what it is told to, when it is told to."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[bytes | TidegateError | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    def push(self, *events: bytes) -> None:
        """These come next."""
        for one in events:
            self._events.put_nowait(one)

    def end(self, error: TidegateError | None = None) -> None:
        """Then it ends, or breaks off."""
        self._events.put_nowait(error)

    async def next(self) -> bytes | None:
        """The next event."""
        what = await self._events.get()
        if isinstance(what, TidegateError):
            raise what
        return what

    async def close(self) -> None:
        """It is not wanted any more, or over."""
        self.closed.set()


class ScriptedCall:
    """A call that was let in."""

    def __init__(self, answer: ScriptedEvents, kept: list[str], name: str) -> None:
        self.events = answer
        self._kept = kept
        self._name = name

    def response_write(self) -> TransactionWrite:
        """Note that it was kept."""

        async def also(_: Connection) -> None:
            self._kept.append(f"{self._name} completed")

        return also


class ScriptedRunner:
    """A desk whose answers the test writes: the first attempt gets the first, and so on."""

    def __init__(self, *answers: ScriptedEvents | TidegateError) -> None:
        self.answers = list(answers)
        self.attempts: list[JobAttempt] = []
        self.writes: list[str] = []
        self.started = asyncio.Event()

    async def start(self, attempt: JobAttempt) -> ScriptedCall:
        """The next answer, or refusal."""
        self.attempts.append(attempt)
        self.started.set()
        answer = self.answers.pop(0)
        if isinstance(answer, TidegateError):
            raise answer
        return ScriptedCall(answer, self.writes, attempt.job.response_id)

    async def write_started(self, _: Connection, job: JobStatus) -> None:
        """Note it."""
        self.writes.append(f"{job.response_id} in_progress")

    def write_partial(self, job: JobStatus, document: Json) -> TransactionWrite:
        """Note it."""

        async def also(_: Connection) -> None:
            self.writes.append(f"{job.response_id} {document['status']}")

        return also


class Process:
    """What one process has for background responses."""

    def __init__(
        self, postgres: Postgres, link: RedisLink, prefix: str, script: ScriptedRunner, *, name: str = "p1",
        clock: Clock | None = None, lease: float = 0.5, grace: float = 0.0, concurrency: int = 4,
    ) -> None:  # fmt: skip
        clock = clock or SystemClock()
        self.postgres = postgres
        self.script = script
        self.store = JobStore(postgres)
        self.log = EventLog(postgres)
        self.notifications = JobNotifications(link, prefix=prefix)
        self.queue = JobQueue(
            postgres, concurrency=concurrency, lease_seconds=lease, poll_seconds=0.1, clock=SystemClock()
        )
        self.completion = JobCompletion(self.store, self.log, self.notifications, write_partial=script.write_partial)
        self.emitted: list[Event] = []
        self.worker = Worker(
            self.store, self.completion, self.notifications, script, name=name, clock=clock, emit=self.emitted.append
        )
        self.supervisor = WorkerSupervisor(self.queue, self.store, self.notifications, self.worker, grace_seconds=grace)
        self.clock = clock

    async def add(
        self, name: str = "resp_1", project: str = "shop", *, most: int = 100, weight: int = 4, **more: float
    ) -> None:
        """A job of this name."""
        job = new_job(name, project, now=self.clock.now(), weight=weight, **more)
        await self.store.add(job, first_events(name), self.queue, max_open=most, write_response=no_write)

    async def events(self, name: str = "resp_1") -> list[Json]:
        """The events of a job, unseen."""
        async with self.postgres.connection() as connection:
            return decoded(await self.log.read_all(connection, "shop", name))

    async def kinds(self, name: str = "resp_1") -> list[str]:
        """Their kinds, without the common prefix."""
        return [one["type"].removeprefix("response.") for one in await self.events(name)]

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Process"]:
        """The process, with its ears open and no hands."""
        await self.notifications.start()
        try:
            yield self
        finally:
            await self.notifications.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Process"]:
        """The process, working."""
        await self.supervisor.start()
        try:
            yield self
        finally:
            await self.supervisor.close()


def manual() -> ManualClock:
    """A clock in the test's hand."""
    return ManualClock()

"""A response that is said piece by piece, as the test wants it, and the parts of one process around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from tidegate.background.completion import Closing
from tidegate.background.event_log import EventLog
from tidegate.background.job import Begun, NewJob, Standing
from tidegate.background.job_queue import JobQueue
from tidegate.background.job_store import Also, JobStore
from tidegate.background.notifications import News
from tidegate.background.supervisor import Runner
from tidegate.background.worker import Worker
from tidegate.core.clock import Clock, ManualClock, SystemClock
from tidegate.core.errors import TidegateError
from tidegate.core.events import Happening
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


async def nothing_else(*_: object) -> None:
    """No more is written in the transaction."""


class NoQueue:
    """Remembers what was put into it."""

    def __init__(self) -> None:
        self.put_in: list[tuple[str, int]] = []

    async def put(self, _: Connection, job: str, *, priority: int) -> None:
        """Remember it."""
        self.put_in.append((job, priority))


class Said:
    """An answer that says what it is told to, when it is told to."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[bytes | TidegateError | None] = asyncio.Queue()
        self.left = asyncio.Event()

    def say(self, *events: bytes) -> None:
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

    async def leave(self) -> None:
        """It is not wanted any more, or over."""
        self.left.set()


class AskedFor:
    """A call that was let in."""

    def __init__(self, answer: Said, kept: list[str], name: str) -> None:
        self.answer = answer
        self._kept = kept
        self._name = name

    def kept(self) -> Also:
        """Note that it was kept."""

        async def also(_: Connection) -> None:
            self._kept.append(f"{self._name} completed")

        return also


class Script:
    """A desk whose answers the test writes: the first attempt gets the first, and so on."""

    def __init__(self, *answers: Said | TidegateError) -> None:
        self.answers = list(answers)
        self.asked: list[Begun] = []
        self.kept: list[str] = []
        self.new = asyncio.Event()

    async def ask(self, begun: Begun) -> AskedFor:
        """The next answer, or refusal."""
        self.asked.append(begun)
        self.new.set()
        answer = self.answers.pop(0)
        if isinstance(answer, TidegateError):
            raise answer
        return AskedFor(answer, self.kept, begun.job.response_id)

    async def began(self, _: Connection, job: Standing) -> None:
        """Note it."""
        self.kept.append(f"{job.response_id} in_progress")

    def broke_off(self, job: Standing, document: Json) -> Also:
        """Note it."""

        async def also(_: Connection) -> None:
            self.kept.append(f"{job.response_id} {document['status']}")

        return also


class Process:
    """What one process has for background responses."""

    def __init__(
        self, postgres: Postgres, link: RedisLink, prefix: str, script: Script, *, name: str = "p1",
        clock: Clock | None = None, lease: float = 0.5, grace: float = 0.0, concurrency: int = 4,
    ) -> None:  # fmt: skip
        clock = clock or SystemClock()
        self.postgres = postgres
        self.script = script
        self.store = JobStore(postgres)
        self.log = EventLog(postgres)
        self.news = News(link, prefix=prefix)
        self.queue = JobQueue(
            postgres, concurrency=concurrency, lease_seconds=lease, poll_seconds=0.1, clock=SystemClock()
        )
        self.closing = Closing(self.store, self.log, self.news, kept=script.broke_off)
        self.happened: list[Happening] = []
        self.worker = Worker(
            self.store, self.closing, self.news, script, name=name, clock=clock, tell=self.happened.append
        )
        self.runner = Runner(self.queue, self.store, self.news, self.worker, grace_seconds=grace)
        self.clock = clock

    async def add(
        self, name: str = "resp_1", project: str = "shop", *, most: int = 100, weight: int = 4, **more: float
    ) -> None:
        """A job of this name."""
        job = new_job(name, project, now=self.clock.now(), weight=weight, **more)
        await self.store.add(job, first_events(name), self.queue, most=most, also=nothing_else)

    async def said(self, name: str = "resp_1") -> list[Json]:
        """The events of a job, unseen."""
        async with self.postgres.connection() as connection:
            return decoded(await self.log.all_of(connection, "shop", name))

    async def kinds(self, name: str = "resp_1") -> list[str]:
        """Their kinds, without the common prefix."""
        return [one["type"].removeprefix("response.") for one in await self.said(name)]

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator["Process"]:
        """The process, with its ears open and no hands."""
        await self.news.start()
        try:
            yield self
        finally:
            await self.news.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Process"]:
        """The process, working."""
        await self.runner.start()
        try:
            yield self
        finally:
            await self.runner.close()


def manual() -> ManualClock:
    """A clock in the test's hand."""
    return ManualClock()

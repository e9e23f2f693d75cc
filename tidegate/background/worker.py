"""One process's work on background responses: jobs are asked by the pipeline as any call, their events written down."""

import asyncio
from enum import Enum, auto
from typing import Any, Protocol

import structlog

from tidegate.background.completion import Closing
from tidegate.background.event_recorder import NotOurs, Recorder
from tidegate.background.job import Begun, Broken, End, Finished, Later, Over, Standing, Taken
from tidegate.background.job_store import Also, JobStore
from tidegate.background.notifications import News
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.errors import (
    BackgroundTimeout,
    BudgetHeld,
    CallerError,
    CallerLimited,
    PostgresUnavailable,
    RateLimited,
    SlowDown,
    StoreError,
    TidegateError,
    TruncatedStream,
    UpstreamBusy,
)
from tidegate.core.events import Happening, Own, Tell, untold
from tidegate.storage.postgres import Connection
from tidegate.wire.stream_observer import is_terminal

_PASSING = (CallerLimited, BudgetHeld, UpstreamBusy, RateLimited, SlowDown, StoreError)
"""What keeps a job from being asked now and not for ever: it is tried again until its deadline."""
_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 60.0
_FIRST_BACKOFF_SECONDS = 0.25
_LONGEST_BACKOFF_SECONDS = 15.0
_WRITE_SECONDS = 2.0
"""For what is still to be written when an attempt is given up."""

_log = structlog.get_logger("background")


class Answer(Protocol):
    """What the pipeline gives: events of a Response's stream, the caller's own."""

    async def next(self) -> bytes | None:
        """The next event, None at the end. Raises TidegateError."""
        ...

    async def leave(self) -> None:
        """It is not wanted any more, or over."""
        ...


class Asked(Protocol):
    """A call that was let in, and how its answer is kept in the end."""

    @property
    def answer(self) -> Answer:
        """Its answer."""
        ...

    def kept(self) -> Also:
        """Writes the finished response, in the transaction that ends the job; once the last event was given."""
        ...


class Desk(Protocol):
    """How a job is asked, and what is written of it where responses are kept."""

    async def ask(self, begun: Begun) -> Asked:
        """Ask, as any call is. Raises TidegateError."""
        ...

    async def began(self, connection: Connection, job: Standing) -> None:
        """Write that the response is being worked on."""
        ...


class Stop(Enum):
    """Why an attempt ends before its answer does."""

    NOT_OURS = auto()
    """Somebody else ended it, or has it."""
    CLOSING = auto()
    """This process ends."""


class Worker:
    """Does jobs, any number at once."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        store: JobStore,
        closing: Closing,
        news: News,
        desk: Desk,
        *,
        name: str,
        clock: Clock,
        tell: Tell = untold,
    ) -> None:
        """`name` is what people see of this process."""
        self._store = store
        self._closing = closing
        self._news = news
        self._desk = desk
        self._name = name
        self._clock = clock
        self._tell = tell
        self._stops: dict[str, tuple[int, asyncio.Future[Stop]]] = {}

    def __repr__(self) -> str:
        return f"<Worker {self._name}: {len(self._stops)} jobs>"

    @property
    def busy(self) -> dict[str, int]:
        """The jobs being worked on, and their attempts."""
        return {response_id: attempt for response_id, (attempt, _) in self._stops.items()}

    def stop(self, response_id: str, why: Stop) -> None:
        """End the work on a job, if there is any."""
        stopped = self._stops.get(response_id)
        if stopped is not None and not stopped[1].done():
            stopped[1].set_result(why)

    async def work(self, response_id: str) -> End:
        """Do a job. Whatever goes wrong is told to those who wait for the response, or tried again."""
        try:
            return await self._work(response_id)
        except PostgresUnavailable:
            return Later(_RETRY_SECONDS)
        except Exception:  # noqa: BLE001  # a defect of ours: the job is tried again, and not for ever
            _log.exception("a background response failed unexpectedly", response_id=response_id)
            return Later(_LONGEST_RETRY_SECONDS)

    async def _work(self, response_id: str) -> End:
        begun = await self._store.begin(response_id, worker=self._name, now=self._clock.now(), also=self._desk.began)
        match begun:
            case Finished():
                return Over()
            case Broken():
                self._tell(Happening(Own.BACKGROUND_BROKEN))
                _log.warning("a background response broke off", response_id=response_id, error=begun.error.name)
                await self._closing.fail(response_id, begun.error)
                return Over()
            case Begun():
                if begun.job.status == "in_progress":
                    self._tell(Happening(Own.BACKGROUND_TAKEN_OVER))
                    _log.warning("a background response was taken over", response_id=response_id, attempt=begun.attempt)
                return await self._attempt(begun)

    async def _attempt(self, begun: Begun) -> End:
        stop: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._stops[begun.job.response_id] = (begun.attempt, stop)
        try:
            attempt = _Attempt(begun, self._store, self._closing, self._news, self._desk)
            end = await attempt.run(stop, max(0.0, begun.job.deadline - self._clock.now()))
            if isinstance(end, Later) and _closes(stop):
                self._tell(Happening(Own.BACKGROUND_GIVEN_BACK))
            return end
        finally:
            del self._stops[begun.job.response_id]


class _Attempt:
    """One attempt at one job."""

    def __init__(self, begun: Begun, store: JobStore, closing: Closing, news: News, desk: Desk) -> None:
        self._begun = begun
        self._store = store
        self._closing = closing
        self._desk = desk
        name = begun.job.response_id
        self._recorder = Recorder(self._append, next_event=begun.next_event, told=lambda: news.said(name))
        self._terminal: bytes | None = None
        self._asked: Asked | None = None

    async def run(self, stop: "asyncio.Future[Stop]", seconds: float) -> End:
        """Ask and write, until the answer's end, or `stop`, or so many `seconds` are over."""
        answering = asyncio.create_task(self._answer(), name="background-answer")
        writing = asyncio.create_task(self._recorder.run(), name="background-write")
        timer = asyncio.create_task(asyncio.sleep(seconds), name="background-deadline")
        try:
            await _first_of(answering, writing, timer, stop)
            if answering.done() or timer.done():
                error = await _outcome(answering) if answering.done() else BackgroundTimeout()
                await _ended(answering)
                return await self._conclude(error, writing, stop)
            await _ended(answering)
            return await (self._hand_back(writing) if _closes(stop) else self._not_ours())
        except NotOurs:
            return await self._not_ours()
        finally:
            for task in (answering, writing, timer):
                await _ended(task)

    async def _answer(self) -> None:
        self._asked = await self._desk.ask(self._begun)
        answer = self._asked.answer
        try:
            while (event := await answer.next()) is not None:
                if is_terminal(endpoints.RESPONSES, event):
                    self._terminal = event
                elif self._terminal is None:
                    await self._recorder.add(event)
        finally:
            await answer.leave()

    async def _append(self, first: int, events: list[bytes], content: bool) -> bool:  # noqa: FBT001  # the recorder's
        return await self._store.append(self._begun, first, events, content=content)

    async def _conclude(
        self, error: TidegateError | None, writing: "asyncio.Task[None]", stop: "asyncio.Future[Stop]"
    ) -> End:
        """Everything is written, then the end."""
        if error is not None and isinstance(error, _PASSING) and not self._recorder.content:
            return await self._hand_back(writing, after=_delay(error, self._begun.attempt))
        self._recorder.close()
        await _first_of(writing, stop)
        if not writing.done():
            return await (self._hand_back(writing) if _closes(stop) else self._not_ours())
        await writing
        return Over() if await self._end(error) else await self._not_ours()

    async def _end(self, error: TidegateError | None) -> bool:
        """The last event, and the response; False where the attempt is not valid any more."""
        if error is None and self._terminal is not None and self._asked is not None:
            try:
                return await self._closing.complete(self._begun, self._terminal, also=self._asked.kept())
            except CallerError as unfit:  # the answer is nothing that can be kept
                error = unfit
        failure = error or TruncatedStream()
        return await self._closing.fail(self._begun.job.response_id, failure, attempt=self._begun.attempt)

    async def _hand_back(self, writing: "asyncio.Task[None]", *, after: float = 0.0) -> End:
        self._recorder.close()
        await asyncio.wait({writing}, timeout=_WRITE_SECONDS)
        await self._store.hand_back(self._begun)
        return Later(after)

    async def _not_ours(self) -> End:
        """The queue's row may go where the job is over; where it is another's, it stays."""
        name = self._begun.job.response_id
        return Taken() if name in await self._store.attempts([name]) else Over()


async def _first_of(*waited: "asyncio.Future[Any]") -> None:
    await asyncio.wait(set(waited), return_when=asyncio.FIRST_COMPLETED)


async def _outcome(answering: "asyncio.Task[None]") -> TidegateError | None:
    """How the answer ended. Raises what is no TidegateError."""
    try:
        await answering
    except TidegateError as error:
        return error
    return None


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _closes(stop: "asyncio.Future[Stop]") -> bool:
    return stop.done() and stop.result() is Stop.CLOSING


def _delay(error: TidegateError, attempt: int) -> float:
    """Seconds until the next try: what the error says, and longer each time, for many may wait for the same."""
    backoff = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2.0 ** min(attempt // 2, 10))
    return min(_LONGEST_RETRY_SECONDS, max(backoff, error.retry_after or 0.0))

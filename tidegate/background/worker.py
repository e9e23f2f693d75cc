"""Runs jobs: sends each through the pipeline like any request, and records its events. Called by the job queue."""

import asyncio
from enum import Enum, auto
from typing import Any, Protocol

import structlog

from tidegate.background.completion import JobCompletion
from tidegate.background.event_recorder import AttemptLost, EventRecorder
from tidegate.background.job import (
    AlreadyFinished,
    GiveUp,
    JobAttempt,
    JobDone,
    JobStatus,
    QueueOutcome,
    Requeue,
    TakenOver,
)
from tidegate.background.job_store import JobStore, TransactionWrite
from tidegate.background.notifications import JobNotifications
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.errors import (
    BackgroundTimeout,
    BudgetReserved,
    CallerError,
    CallerRateLimited,
    PostgresUnavailable,
    SlowDown,
    StoreError,
    TidegateError,
    TruncatedAnswer,
    UpstreamBusy,
    UpstreamRateLimited,
)
from tidegate.core.errors.traces import forget_traces
from tidegate.core.events import Event, EventName, EventSink, ignore_event
from tidegate.storage.postgres import Connection
from tidegate.wire.stream_observer import is_terminal

_TEMPORARY_ERRORS = (CallerRateLimited, BudgetReserved, UpstreamBusy, UpstreamRateLimited, SlowDown, StoreError)
"""Errors after which a job is retried until its deadline."""
_RETRY_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0
_FIRST_BACKOFF_SECONDS = 0.25
_MAX_BACKOFF_SECONDS = 15.0
_WRITE_SECONDS = 2.0
"""Time to write the remaining events when an attempt is released."""

_log = structlog.get_logger("background")


class JobEventStream(Protocol):
    """The pipeline's answer to a job: the events of a Response's stream."""

    async def next(self) -> bytes | None:
        """Return the next event, None at the end. Raises TidegateError."""
        ...

    async def close(self) -> None:
        """Stop the answer."""
        ...


class JobCall(Protocol):
    """A job's request that the pipeline has accepted."""

    @property
    def events(self) -> JobEventStream:
        """The answer's events."""
        ...

    def response_write(self) -> TransactionWrite:
        """Return the write that stores the finished response. Call it after the last event."""
        ...


class JobRunner(Protocol):
    """Sends jobs through the pipeline, and marks their responses as in progress."""

    async def start(self, attempt: JobAttempt) -> JobCall:
        """Send the job like any request. Raises TidegateError."""
        ...

    async def write_started(self, connection: Connection, job: JobStatus) -> None:
        """Mark the response as in progress."""
        ...


class StopReason(Enum):
    """Why an attempt ends before its answer does."""

    ATTEMPT_LOST = auto()
    """The job was ended, or another worker has it."""
    SHUTDOWN = auto()
    """This process shuts down."""


class Worker:
    """Run jobs, any number at once."""

    def __init__(  # noqa: PLR0913  # constructor injection: one parameter for each collaborator
        self,
        store: JobStore,
        completion: JobCompletion,
        notifications: JobNotifications,
        runner: JobRunner,
        *,
        name: str,
        clock: Clock,
        emit: EventSink = ignore_event,
    ) -> None:
        """`name` identifies this process in reports."""
        self._store = store
        self._completion = completion
        self._notifications = notifications
        self._runner = runner
        self._name = name
        self._clock = clock
        self._emit = emit
        self._active: dict[str, tuple[int, asyncio.Future[StopReason]]] = {}

    def __repr__(self) -> str:
        return f"<Worker {self._name}: {len(self._active)} jobs>"

    @property
    def active_jobs(self) -> dict[str, int]:
        """The ids of the running jobs, and their attempt numbers."""
        return {response_id: attempt for response_id, (attempt, _) in self._active.items()}

    def stop(self, response_id: str, reason: StopReason) -> None:
        """Stop working on a job, if it runs here."""
        stopped = self._active.get(response_id)
        if stopped is not None and not stopped[1].done():
            stopped[1].set_result(reason)

    async def run_job(self, response_id: str) -> QueueOutcome:
        """Run a job; errors end up in its response, or the job is retried."""
        try:
            return await self._run_job(response_id)
        except PostgresUnavailable:
            return Requeue(_RETRY_SECONDS)
        except Exception:  # noqa: BLE001  # a defect in the gateway: retry the job, until its deadline
            _log.exception("background response failed unexpectedly and will be retried", response_id=response_id)
            return Requeue(_MAX_RETRY_SECONDS)

    async def _run_job(self, response_id: str) -> QueueOutcome:
        started = await self._store.start_attempt(
            response_id, worker=self._name, now=self._clock.now(), write_started=self._runner.write_started
        )
        match started:
            case AlreadyFinished():
                return JobDone()
            case GiveUp():
                self._emit(Event(EventName.BACKGROUND_BROKEN))
                _log.warning(
                    "background response failed and cannot be restarted",
                    response_id=response_id,
                    error=started.error.name,
                )
                await self._completion.fail(response_id, started.error)
                return JobDone()
            case JobAttempt():
                if started.job.status == "in_progress":
                    self._emit(Event(EventName.BACKGROUND_TAKEN_OVER))
                    _log.warning(
                        "background response was taken over from a dead process",
                        response_id=response_id,
                        attempt=started.number,
                    )
                return await self._attempt(started)

    async def _attempt(self, started: JobAttempt) -> QueueOutcome:
        stop: asyncio.Future[StopReason] = asyncio.get_running_loop().create_future()
        self._active[started.job.response_id] = (started.number, stop)
        try:
            attempt = _AttemptRun(started, self._store, self._completion, self._notifications, self._runner)
            end = await attempt.run(stop, max(0.0, started.job.deadline - self._clock.now()))
            if isinstance(end, Requeue) and _is_shutdown(stop):
                self._emit(Event(EventName.BACKGROUND_GIVEN_BACK))
            return end
        finally:
            del self._active[started.job.response_id]


class _AttemptRun:
    """One attempt at one job, while it runs."""

    def __init__(
        self,
        attempt: JobAttempt,
        store: JobStore,
        completion: JobCompletion,
        notifications: JobNotifications,
        runner: JobRunner,
    ) -> None:
        self._attempt = attempt
        self._store = store
        self._completion = completion
        self._runner = runner
        name = attempt.job.response_id

        async def append(first: int, events: list[bytes], content: bool) -> bool:  # noqa: FBT001  # the signature of AppendEvents
            return await store.append_events(attempt, first, events, has_content=content)

        # no method of this object: the two would keep each other, and with them the whole call
        self._recorder = EventRecorder(
            append, next_event=attempt.next_event, on_written=lambda: notifications.events_written(name)
        )
        self._terminal: bytes | None = None
        self._call: JobCall | None = None

    async def run(self, stop: "asyncio.Future[StopReason]", seconds: float) -> QueueOutcome:
        """Send the request and record its events, until the answer ends, `stop` is set, or `seconds` have passed."""
        recording = asyncio.create_task(self._record_events(), name="background-answer")
        writing = asyncio.create_task(self._recorder.run(), name="background-write")
        timer = asyncio.create_task(asyncio.sleep(seconds), name="background-deadline")
        try:
            await _first_of(recording, writing, timer, stop)
            if recording.done() or timer.done():
                error = await _error_of(recording) if recording.done() else BackgroundTimeout()
                await _cancel_and_wait(recording)
                return await self._conclude(error, writing, stop)
            await _cancel_and_wait(recording)
            return await (self._release(writing) if _is_shutdown(stop) else self._lost())
        except AttemptLost:
            return await self._lost()
        finally:
            for task in (recording, writing, timer):
                await _cancel_and_wait(task)

    async def _record_events(self) -> None:
        self._call = await self._runner.start(self._attempt)
        answer = self._call.events
        try:
            while (event := await answer.next()) is not None:
                if is_terminal(endpoints.RESPONSES, event):
                    self._terminal = event
                elif self._terminal is None:
                    await self._recorder.add(event)
        finally:
            await answer.close()

    async def _conclude(
        self, error: TidegateError | None, writing: "asyncio.Task[None]", stop: "asyncio.Future[StopReason]"
    ) -> QueueOutcome:
        """Write the remaining events, then finish the job."""
        if error is not None and isinstance(error, _TEMPORARY_ERRORS) and not self._recorder.has_content:
            return await self._release(writing, delay_seconds=_retry_delay(error, self._attempt.number))
        self._recorder.close()
        await _first_of(writing, stop)
        if not writing.done():
            return await (self._release(writing) if _is_shutdown(stop) else self._lost())
        await writing
        return JobDone() if await self._write_end(error) else await self._lost()

    async def _write_end(self, error: TidegateError | None) -> bool:
        """Write the last event and the response; return False if the attempt is no longer valid."""
        if error is None and self._terminal is not None and self._call is not None:
            try:
                return await self._completion.complete(
                    self._attempt, self._terminal, write_response=self._call.response_write()
                )
            except CallerError as unstorable:  # the answer cannot be stored
                error = unstorable
        failure = error or TruncatedAnswer()
        return await self._completion.fail(self._attempt.job.response_id, failure, attempt=self._attempt.number)

    async def _release(self, writing: "asyncio.Task[None]", *, delay_seconds: float = 0.0) -> QueueOutcome:
        self._recorder.close()
        await asyncio.wait({writing}, timeout=_WRITE_SECONDS)
        await self._store.release(self._attempt)
        return Requeue(delay_seconds)

    async def _lost(self) -> QueueOutcome:
        """Remove the queue row if the job is finished; leave it if another worker has the job."""
        name = self._attempt.job.response_id
        return TakenOver() if name in await self._store.current_attempts([name]) else JobDone()


async def _first_of(*waited: "asyncio.Future[Any]") -> None:
    await asyncio.wait(set(waited), return_when=asyncio.FIRST_COMPLETED)


async def _error_of(recording: "asyncio.Task[None]") -> TidegateError | None:
    """Return the error that ended the answer, if any. Raises anything that is not a TidegateError."""
    try:
        await recording
    except TidegateError as error:
        return forget_traces(error)  # they lead to the task, which has the error
    return None


async def _cancel_and_wait(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _is_shutdown(stop: "asyncio.Future[StopReason]") -> bool:
    return stop.done() and stop.result() is StopReason.SHUTDOWN


def _retry_delay(error: TidegateError, attempt: int) -> float:
    """Return the seconds until the next attempt: exponential backoff, and at least the error's `retry_after`."""
    backoff = min(_MAX_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2.0 ** min(attempt // 2, 10))
    return min(_MAX_RETRY_SECONDS, max(backoff, error.retry_after or 0.0))

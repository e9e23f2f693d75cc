"""Sends problems by a thread: calls never wait, what waits is bounded, and what is not sent is counted."""

import asyncio
import contextlib
import queue
import threading
from concurrent.futures import Future
from typing import Protocol

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.events import Event
from tidegate.monitoring.sentry.problem import Problem, problem_of_error, problem_of_event
from tidegate.monitoring.sentry.rate_limit import RateLimit

MAX_WAITING = 100
CLOSE_SECONDS = 2.0
"""How long the end of the process waits for what is still to be sent."""


class ProblemNotSent(Exception):
    """A problem did not reach Sentry; the text says why, without the DSN."""


class ProblemClient(Protocol):
    """What sends one problem."""

    def send(self, problem: Problem, left_out: int) -> None:
        """Send a problem, of whose kind `left_out` were not sent; may block. Raises ProblemNotSent."""
        ...


class _Task(msgspec.Struct, frozen=True):
    problem: Problem
    left_out: int
    sent: "Future[None]"


class ProblemSender:
    """Reports errors and events. Every method but `start` and `close` may be called by any thread."""

    def __init__(self, client: ProblemClient, clock: Clock) -> None:
        self.failed = 0
        """Problems that were lost, because Sentry did not take them or too many waited."""
        self._client = client
        self._clock = clock
        self._rate_limit = RateLimit()
        self._waiting: queue.Queue[_Task | None] = queue.Queue(MAX_WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sentry", daemon=True)

    @property
    def left_out(self) -> int:
        """Problems beyond ten a minute of one kind."""
        return self._rate_limit.left_out

    async def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def close(self) -> None:
        """Stop the thread; wait a little for what it still has to send."""
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)  # wakes it
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)

    def report_error(self, error: BaseException) -> None:
        """Send an error, unless it is an expected one. Neither fails nor waits."""
        if threading.current_thread() is not self._thread:
            self._report(problem_of_error(error))

    def report_event(self, event: Event) -> None:
        """Send an event that an operator must mend. Neither fails nor waits."""
        self._report(problem_of_event(event))

    async def deliver(self, problem: Problem) -> None:
        """Send a problem beyond the rate limit, and wait until Sentry has it. Raises ProblemNotSent."""
        sent: Future[None] = Future()
        if not self._add(_Task(problem, 0, sent)):
            raise ProblemNotSent("too many events wait for Sentry")
        await asyncio.wrap_future(sent)

    def _report(self, problem: Problem | None) -> None:
        if problem is None:
            return
        left_out = self._rate_limit.passes(problem.fingerprint, self._clock.monotonic())
        if left_out is not None and not self._add(_Task(problem, left_out, Future())):
            self.failed += 1

    def _add(self, task: _Task) -> bool:
        try:
            self._waiting.put_nowait(task)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None:
            if task.sent.set_running_or_notify_cancel():
                self._send(task)
            if self._closing.is_set() and self._waiting.empty():
                return

    def _send(self, task: _Task) -> None:
        try:
            self._client.send(task.problem, task.left_out)
        except ProblemNotSent as error:
            self.failed += 1
            task.sent.set_exception(error)
        except Exception as error:  # noqa: BLE001  # a defect in the SDK must not end the thread; it never reports itself
            self.failed += 1
            task.sent.set_exception(ProblemNotSent(f"the SDK failed: {type(error).__name__}"))
        else:
            task.sent.set_result(None)

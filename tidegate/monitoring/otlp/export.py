"""Takes calls that have ended to a collector, by a thread of its own: no call ever waits for it.

The queue of ended calls is bounded. What does not fit, and what the collector does not take, is dropped and counted.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import structlog

from tidegate.core.call_report import CallReport
from tidegate.core.events import Event, EventName, EventSink

BATCH_CALLS = 256
"""A span has some 2 kB, so that a batch stays far below what collectors take."""
CLOSE_SECONDS = 3.0
"""How long the end of the process waits for the last batch."""
_ROUNDS_PER_METRICS = 6

_log = structlog.get_logger("otlp")


class Sender(Protocol):
    """Sends calls to a collector. Its methods wait for the collector, and never raise for its failures."""

    def send_calls(self, reports: Sequence[CallReport]) -> bool:
        """Send the calls; return whether the collector took them."""
        ...

    def send_metrics(self) -> bool:
        """Send the metrics of all calls so far; return whether the collector took them."""
        ...

    def stop(self) -> None:
        """Have the present method return soon."""
        ...


class OtlpExport:
    """The way of ended calls to a collector. Implements `CallObserver`. Use it between `start` and `close`."""

    def __init__(
        self,
        sender: Sender,
        *,
        interval_seconds: float,
        max_queued_calls: int,
        on_event: EventSink,
    ) -> None:
        """`sender` is used by the export's own thread alone."""
        self._sender = sender
        self._interval = interval_seconds
        self._max_queued = max_queued_calls
        self._on_event = on_event
        self._queue: deque[CallReport] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="otlp-export", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def observe(self, report: CallReport) -> None:
        """Queue a call that ended, or drop it if the queue is full."""
        if len(self._queue) >= self._max_queued:
            self._on_event(Event(EventName.TELEMETRY_DROPPED))
            return
        self._queue.append(report)
        if len(self._queue) >= BATCH_CALLS:
            self._wake.set()

    async def start(self) -> None:
        """Start the thread."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """Send what is queued, and wait for it a little; a collector that hangs is left alone."""
        self._closing = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
        if self._thread.is_alive():
            self._sender.stop()
            _log.warning("the collector did not take the last calls in time", queued=len(self._queue))

    def _run(self) -> None:
        sender, rounds = self._sender, 0
        while not self._closing:
            self._wake.wait(self._interval)
            self._wake.clear()
            self._send_queued(sender)
            rounds += 1
            if rounds % _ROUNDS_PER_METRICS == 0:
                self._note(sender.send_metrics())
        self._send_queued(sender)
        self._note(sender.send_metrics())

    def _send_queued(self, sender: Sender) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_CALLS))]
            taken = sender.send_calls(batch)
            self._note(taken)
            if not taken:
                self._count_dropped(len(batch))
                return  # the next try is a pause later

    def _count_dropped(self, calls: int) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._on_event, Event(EventName.TELEMETRY_DROPPED, calls))

    def _note(self, taken: bool) -> None:  # noqa: FBT001  # the sender's answer
        if taken == (not self._is_failing):
            return
        self._is_failing = not taken
        if taken:
            _log.info("the collector takes spans and metrics again")
        else:
            _log.warning(
                "the collector does not take spans or metrics; what it misses is counted as `telemetry_dropped`"
            )

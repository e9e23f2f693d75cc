"""What happens to one call, collected by the steps of the pipeline; in the end it is reported once to the observers.

Where there is no observer there is no record, and the steps do nothing for it.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from tidegate.core.call_report import CallClass, CallObserver, CallReport
from tidegate.core.clock import Clock
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import (
    CallerError,
    ClientDisconnected,
    ContentPolicyViolation,
    ContextLengthExceeded,
    ModelNotFound,
    RequestExceedsUpstreamLimit,
    TidegateError,
    UnfinishedAnswer,
    UpstreamNotFound,
    UpstreamRejected,
)
from tidegate.core.errors.words import error_text
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.trace.context import TraceContext, TraceContexts
from tidegate.core.values import AnswerHead, Caller, Outcome
from tidegate.metering.accountant import SUBSTITUTES
from tidegate.wire.call import Call
from tidegate.wire.operations.operation import Operation

CLIENT_CLOSED_REQUEST = 499
"""The status of a call whose client left before it received one, as nginx writes it."""
_OK = 200
_CALLER_ERRORS = (
    CallerError,
    UpstreamRejected,
    ModelNotFound,
    UpstreamNotFound,
    ContextLengthExceeded,
    ContentPolicyViolation,
    RequestExceedsUpstreamLimit,
)
"""Errors that concern the request itself: a healthy upstream answers it so, too."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-")
_CLOUD_TRACE = re.compile(r"([0-9a-f]{32})/")
_log = structlog.get_logger("pipeline")


class CallReporter:
    """Make a record for each call, and give its report to the observers."""

    def __init__(
        self,
        observers: Sequence[CallObserver],
        clock: Clock,
        status_of: Callable[[TidegateError], int],
        traces: TraceContexts | None = None,
    ) -> None:
        """`status_of` is the HTTP status of an error; `traces` gives calls their trace context, if they are traced."""
        self.traces = traces
        self._observers = observers
        self.clock = clock
        self.status_of = status_of

    def begin(self, request_id: str, endpoint: Endpoint | Operation) -> "CallRecord":
        """Return the record of a call that arrives now. It must be ended."""
        return CallRecord(self, request_id, endpoint)

    def give(self, report: CallReport) -> None:
        """Give a report to each observer."""
        for observer in self._observers:
            try:
                observer.observe(report)
            except Exception:  # noqa: BLE001  # a defect of one observer must neither end the call nor silence the others
                _log.exception("an observer of calls failed", observer=type(observer).__name__)


class CallRecord:
    """One call on its way. The pipeline writes what it learns, and the web layer how the call ended."""

    __slots__ = (
        "_began",
        "_call_began",
        "_end_seconds",
        "_endpoint",
        "_error",
        "_head",
        "_head_seconds",
        "_is_reported",
        "_outcome",
        "_reporter",
        "_status",
        "call",
        "caller",
        "entry",
        "headers",
        "id",
        "initial_entry",
        "is_background",
        "is_submission",
        "trace",
        "traces",
    )

    def __init__(self, reporter: CallReporter, request_id: str, endpoint: Endpoint | Operation) -> None:
        self.id = request_id
        self.caller: Caller | None = None
        self.call: Call | None = None
        self.headers: Mapping[str, str] = {}
        """The client's, names in lower case."""
        self.initial_entry: LedgerEntry | None = None
        """The call's ledger entry before anything has happened."""
        self.entry: LedgerEntry | None = None
        """The call's ledger entry as it was written."""
        self.is_background = False
        """Whether it is the call of a background response."""
        self.is_submission = False
        """Whether it only submitted a background response, whose job is a call of its own."""
        self.traces = reporter.traces
        """What gives the call its trace context; None where calls are not traced."""
        self.trace: TraceContext | None = None
        self._reporter = reporter
        self._endpoint = endpoint
        self._began = reporter.clock.monotonic()
        self._call_began: float | None = None
        """When the upstream call was made or joined; it will be settled, so the report waits for that."""
        self._head: AnswerHead | None = None
        self._head_seconds = 0.0
        self._outcome: Outcome | None = None
        self._error: TidegateError | None = None
        self._status = 0
        self._end_seconds: float | None = None
        self._is_reported = False

    def await_entry(self) -> None:
        """Note that an upstream call is made or joined now: the report waits until it is settled."""
        self._call_began = self._reporter.clock.monotonic() - self._began

    def note_head(self, head: AnswerHead) -> None:
        """Note that the answer begins."""
        if self._head is None:
            self._head = head
            self._head_seconds = self._reporter.clock.monotonic() - self._began

    def settle(self, entry: LedgerEntry, outcome: Outcome) -> None:
        """Note the entry of a call that was sent upstream."""
        self.entry, self._outcome = entry, outcome
        if self._end_seconds is not None:
            self._report_once(self._end_seconds)

    def settle_joined(self, entry: LedgerEntry) -> None:
        """Note the entry of a call that joined another one, unless it took that one over and has an entry already."""
        if self.entry is None:
            self.entry = entry
        if self._end_seconds is not None:
            self._report_once(self._end_seconds)

    def end(self, error: TidegateError | None = None, *, status: int = 0) -> None:
        """Note that the client has its answer, or this error, or has left; only the first end counts.

        `status` is the HTTP status that the client has received; 0 where it received none.
        """
        if self._end_seconds is not None:
            return
        seconds = self._end_seconds = self._reporter.clock.monotonic() - self._began
        self._error = error
        if status:
            self._status = status
        elif isinstance(error, ClientDisconnected):
            self._status = CLIENT_CLOSED_REQUEST
        else:
            self._status = _OK if error is None else self._reporter.status_of(error)
        if self._call_began is None or self.entry is not None:
            self._report_once(seconds)

    def _report_once(self, seconds: float) -> None:
        """Report the call: the client's part has ended, and it is settled if it is to be."""
        if self._is_reported:
            return
        self._is_reported = True
        if not self.is_submission or self._error is not None:
            self._reporter.give(self._report(seconds))

    def _report(self, seconds: float) -> CallReport:
        entry, outcome, head = self.entry, self._outcome, self._head
        is_degraded = (outcome is not None and outcome.fallback_step in SUBSTITUTES) or (
            head is not None and (head.stale or head.served_by == "canned")  # another call may have got it
        )
        error = self._error or (None if outcome is None else outcome.reported_error)
        last = outcome
        if outcome is not None and is_degraded and outcome.previous_attempts:
            last = outcome.previous_attempts[-1]
        stated = last.reported_error if last is not None and error is None else error
        total_ms = round(1000 * seconds)
        queue_ms = min(total_ms, 0 if outcome is None else outcome.queued_ms)
        upstream_ms = min(total_ms - queue_ms, self._upstream_ms(seconds))
        streams = self.call is not None and self.call.stream
        if entry is None:
            reported = self._entry_of_refused(error)
        else:
            reported = entry if entry.id == self.id else msgspec.structs.replace(entry, id=self.id)
        return CallReport(
            entry=reported,
            call_class=CallClass.ANSWERED
            if error is None and not is_degraded
            else call_class(error, is_degraded=is_degraded),
            status=self._status,
            key_last_four=self.caller.hint if self.caller is not None else "",
            credential=None if last is None else last.credential,
            error_text=None if stated is None else error_text(stated),
            first_content_ms=round(1000 * self._head_seconds) if streams and head is not None else None,
            total_ms=total_ms,
            queue_ms=queue_ms,
            upstream_ms=upstream_ms,
            gateway_ms=total_ms - queue_ms - upstream_ms,
            is_background=self.is_background,
            trace_id=_trace_id(self.headers),
            trace=self.trace,
            in_ledger=entry is not None,
        )

    def _upstream_ms(self, seconds: float) -> int:
        """Return how long the call was at the upstream, or waited for the call that it joined."""
        if self._outcome is not None:
            seconds = self._outcome.seconds
            for attempt in self._outcome.previous_attempts:
                seconds += attempt.seconds
            return round(1000 * seconds)
        return 0 if self._call_began is None else round(1000 * max(0.0, seconds - self._call_began))

    def _entry_of_refused(self, error: TidegateError | None) -> LedgerEntry:
        """Return the entry of a call that has written none: it cost nothing."""
        outcome = "ok" if error is None else error.name
        words = None if error is None else error_text(error)
        if self.initial_entry is not None:
            return msgspec.structs.replace(
                self.initial_entry, id=self.id, outcome=outcome, cache="off", provider=None, error_text=words
            )
        caller, call = self.caller, self.call
        return LedgerEntry(
            id=self.id,
            at=self._reporter.clock.now(),
            project="" if caller is None else caller.project,
            key_id="" if caller is None else caller.key_id,
            end_user=None if call is None else call.end_user,
            route=self._endpoint.label,
            model="" if call is None else call.model,
            outcome=outcome,
            cache="off",
            stream=call is not None and call.stream,
            error_text=words,
        )


def call_class(error: TidegateError | None, *, is_degraded: bool) -> CallClass:
    """Return how a call ended that ended with this error, or with none."""
    if isinstance(error, ClientDisconnected):
        return CallClass.CLIENT_GONE
    if error is None or isinstance(error, UnfinishedAnswer):
        return CallClass.DEGRADED if is_degraded else CallClass.ANSWERED
    return CallClass.REFUSED if isinstance(error, _CALLER_ERRORS) else CallClass.FAILED


def _trace_id(headers: Mapping[str, str]) -> str | None:
    """Return the trace that W3C's header names, or that of Google's load balancers."""
    if not ("traceparent" in headers or "x-cloud-trace-context" in headers):
        return None
    found = _TRACEPARENT.match(headers.get("traceparent", "")) or _CLOUD_TRACE.match(
        headers.get("x-cloud-trace-context", "")
    )
    return None if found is None else found[1]

"""Feed the upstream's responses back into the lanes: collect reports, and send them to Redis in the background.

Every response may carry rate-limit headers, and every 429 is news. Queue slots report them here, which never makes a
request wait. Reports of one lane are merged and sent at once when they are urgent (a 429, an outage, requests that
wait), else every REPORT_SECONDS.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.periodic import PeriodicTask
from tidegate.core.rate_limits import ReportedLimits
from tidegate.queue.local import LearntLimits, LocalCapacity
from tidegate.queue.messages import MAX_LANES, CapacityReport
from tidegate.queue.refusal_scope import LatestAnswers, RefusalScope
from tidegate.queue.store import CapacityStore

REPORT_SECONDS = 0.2
"""Seconds between two reports on a lane in which no request waits."""

MAX_DELAY_SECONDS = 1.0
"""Seconds after which successful responses of an unlimited lane are reported, too. Another replica, or a Redis that has
lost its data, may treat the lane as limited and count the requests as unanswered until then."""


class _LaneFeedback(msgspec.Struct):
    """The unsent feedback on one lane."""

    name: str
    sender: PeriodicTask
    """Supervises each sending of a report. It is never started: reports are sent when there are some."""
    report: CapacityReport = CapacityReport()
    pending: bool = False
    sent_at: float = -1.0
    sending: "asyncio.Task[None] | None" = None
    timer: asyncio.TimerHandle | None = None
    unlimited: bool = False
    unreported: int = 0
    """Successful responses of an unlimited lane since the last report; they carried no news."""
    reminder: asyncio.TimerHandle | None = None
    has_waiting: bool = False
    """Requests wait in this lane, in this process or another."""
    answers: LatestAnswers = msgspec.field(default_factory=LatestAnswers)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent, so that it can be forgotten."""
        is_due = self.sending is not None or self.timer is not None or self.reminder is not None
        return not (is_due or self.pending or self.unreported or self.has_waiting)

    def cancel_timers(self) -> None:
        """Send nothing later."""
        for timer in (self.timer, self.reminder):
            if timer is not None:
                timer.cancel()
        self.timer = self.reminder = None


class CapacityFeedback:
    """The reports of one process on all its lanes."""

    def __init__(
        self, store: CapacityStore, local: LocalCapacity, *, clock: Clock, on_learnt: Callable[[str], None]
    ) -> None:
        """`on_learnt` is called with a lane's name after a report, so that its waiting requests are dispatched."""
        self._store = store
        self._local = local
        self._clock = clock
        self._on_learnt = on_learnt
        self._lanes: dict[str, _LaneFeedback] = {}

    @property
    def lane_count(self) -> int:
        """Return the number of lanes that are remembered."""
        return len(self._lanes)

    def report_answer(self, lane: str, project: str, limits: ReportedLimits, *, ok: bool, age: float) -> None:
        """Report a response's headers, which came `age` seconds after the request was sent; `ok` unless it failed."""
        feedback = self._lane(lane)
        if ok:
            feedback.answers.note_success(project, self._clock.monotonic() - age)
        if feedback.unlimited and ok and limits.is_empty:
            feedback.unreported += 1
            self._remind(feedback)
            return
        self._add(feedback, _report(limits, age, answered=1, succeeded=int(ok)), urgent=feedback.has_waiting)

    def report_rate_limit(  # noqa: PLR0913  # a parameter for each part of the 429
        self, lane: str, project: str, limits: ReportedLimits, kind: str, wait: float | None, *, tokens: int, age: float
    ) -> bool:
        """Report a 429 of this kind: `requests`, `tokens`, or another word where no limit was named.

        Return whether it concerns this call or this project only, so that others may go on as before.
        """
        feedback = self._lane(lane)
        is_used_up = bool(limits.exhausted)
        scope = feedback.answers.note_refusal(project, self._clock.monotonic(), is_used_up=is_used_up)
        if scope is RefusalScope.PROJECT:
            self._add(feedback, CapacityReport(answered=1), urgent=feedback.has_waiting)
            return True
        succeeded, feedback.unreported = feedback.unreported, 0
        report = _report(limits, age, answered=1 + succeeded, succeeded=succeeded)
        wait = -1.0 if wait is None else wait
        report = msgspec.structs.replace(report, rejection_kind=kind or "unnamed", retry_after=wait, tokens=tokens)
        self._add(feedback, report, urgent=True)  # the lane itself knows of a rare one, too
        return scope is RefusalScope.CALL

    def report_outage(self, lane: str) -> None:
        """Report that the upstream is failing."""
        self._add(self._lane(lane), CapacityReport(outage=True), urgent=True)

    def report_waiting(self, lane: str) -> None:
        """Report that a request waits in a lane. So the lane is limited, and news of it is urgent from now on."""
        feedback = self._lane(lane)
        feedback.has_waiting, feedback.unlimited = True, False
        self._send_unreported(feedback)

    def is_flushed(self, lane: str) -> bool:
        """Return whether all feedback on a lane was sent."""
        feedback = self._lane(lane)
        return feedback.sending is None and not feedback.pending

    async def flush(self, lane: str) -> None:
        """Wait until the feedback on a lane, as of this call, is sent."""
        feedback = self._lane(lane)
        for _ in range(2):  # the report being sent now may be older
            self._start_sending(feedback)
            if feedback.sending is not None:
                await asyncio.shield(feedback.sending)

    async def close(self) -> None:
        """Send what is left to send; what Redis does not take now is lost."""
        for feedback in self._lanes.values():
            feedback.cancel_timers()
            if feedback.sending is not None:
                await feedback.sending
            if feedback.pending:
                await feedback.sender.run_round()
            feedback.cancel_timers()

    def _lane(self, lane: str) -> _LaneFeedback:
        if lane not in self._lanes:
            send = partial(self._send, lane)
            sender = PeriodicTask("capacity-feedback", send, every=REPORT_SECONDS, quiet=(RedisUnavailable,))
            if len(self._lanes) >= MAX_LANES:
                self._lanes = {name: feedback for name, feedback in self._lanes.items() if not feedback.is_idle}
            self._lanes[lane] = _LaneFeedback(name=lane, sender=sender)
        return self._lanes[lane]

    def _add(self, feedback: _LaneFeedback, report: CapacityReport, *, urgent: bool) -> None:
        feedback.report, feedback.pending = merged(feedback.report, report), True
        if feedback.sending is not None:
            return  # it is sent with the next report
        wait = 0.0 if urgent else feedback.sent_at + REPORT_SECONDS - self._clock.monotonic()
        if wait <= 0 or feedback.sent_at < 0:
            self._start_sending(feedback)
        elif feedback.timer is None:
            feedback.timer = asyncio.get_running_loop().call_later(wait, self._start_sending, feedback)

    def _remind(self, feedback: _LaneFeedback) -> None:
        if feedback.reminder is None:
            feedback.reminder = asyncio.get_running_loop().call_later(
                MAX_DELAY_SECONDS, self._send_unreported, feedback
            )

    def _send_unreported(self, feedback: _LaneFeedback) -> None:
        """Send the responses that were not reported yet, because they were not urgent or Redis was away."""
        if feedback.reminder is not None:
            feedback.reminder.cancel()
            feedback.reminder = None
        answered, feedback.unreported = feedback.unreported, 0
        if answered or feedback.report.answered:
            self._add(feedback, CapacityReport(answered=answered, succeeded=answered), urgent=True)

    def _start_sending(self, feedback: _LaneFeedback) -> None:
        if feedback.timer is not None:
            feedback.timer.cancel()
            feedback.timer = None
        if feedback.sending is None and feedback.pending:
            feedback.sending = asyncio.create_task(self._send_all(feedback), name="capacity-feedback")

    async def _send_all(self, feedback: _LaneFeedback) -> None:
        try:
            while feedback.pending:
                await feedback.sender.run_round()
                if not feedback.has_waiting:
                    break
        finally:
            feedback.sending = None
        if feedback.pending:
            feedback.timer = asyncio.get_running_loop().call_later(REPORT_SECONDS, self._start_sending, feedback)

    async def _send(self, lane: str) -> None:
        feedback = self._lane(lane)
        report, feedback.report, feedback.pending = feedback.report, CapacityReport(), False
        feedback.sent_at = self._clock.monotonic()
        now = self._clock.now()
        self._local.learn(lane, report, now)
        try:
            learnt = await self._store.learn(lane, report, now)
        except Exception:  # whatever it is: a later report counts the answers; the limits will be outdated by then
            answers = CapacityReport(answered=report.answered, succeeded=report.succeeded)
            feedback.report = merged(answers, feedback.report)
            self._remind(feedback)
            raise
        else:
            feedback.unlimited, feedback.has_waiting = learnt.unlimited, learnt.dispatch_in >= 0
            self._local.remember(lane, LearntLimits(rpm=learnt.rpm, tpm=learnt.tpm, unlimited=learnt.unlimited))
        finally:
            self._on_learnt(lane)


def merged(one: CapacityReport, other: CapacityReport) -> CapacityReport:
    """Merge two reports. Of two remainders the lower counts; of two ages the higher, which trusts a remainder less."""
    return CapacityReport(
        answered=one.answered + other.answered,
        succeeded=one.succeeded + other.succeeded,
        rpm=other.rpm if other.rpm > 0 else one.rpm,
        rpm_remaining=_lower(one.rpm_remaining, other.rpm_remaining),
        tpm=other.tpm if other.tpm > 0 else one.tpm,
        tpm_remaining=_lower(one.tpm_remaining, other.tpm_remaining),
        age=max(one.age, other.age),
        closed_window=other.closed_window if other.closed_for >= one.closed_for else one.closed_window,
        closed_for=max(one.closed_for, other.closed_for),
        rejection_kind=other.rejection_kind or one.rejection_kind,
        retry_after=max(one.retry_after, other.retry_after),
        tokens=max(one.tokens, other.tokens),
        outage=one.outage or other.outage,
    )


def _lower(one: int, other: int) -> int:
    return min(one, other) if one >= 0 and other >= 0 else max(one, other)


def _report(limits: ReportedLimits, age: float, *, answered: int, succeeded: int) -> CapacityReport:
    return CapacityReport(
        answered=answered,
        succeeded=succeeded,
        rpm=_or_unknown(limits.requests.limit),
        rpm_remaining=_or_unknown(limits.requests.remaining),
        tpm=_or_unknown(limits.tokens.limit),
        tpm_remaining=_or_unknown(limits.tokens.remaining),
        age=age,
        closed_window=limits.exhausted,
        closed_for=limits.reset_seconds if limits.exhausted else -1.0,
    )


def _or_unknown(figure: int | None) -> int:
    return -1 if figure is None else figure

"""What answers say of the upstream's limits, on its way to the lanes: gathered, and told without holding up a call."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.rate_limits import ReportedLimits
from tidegate.queue.local import LearntLimits, LocalCapacity
from tidegate.queue.messages import CapacityReport
from tidegate.queue.store import CapacityStore

REPORT_SECONDS = 0.2
"""Seconds between two reports on a lane where nobody waits."""

MAX_DELAY_SECONDS = 1.0
"""Seconds after which also a good answer in a free lane is told: another replica, or an empty Redis, may know the lane
for one that is not free, and count the call as unanswered until it hears of it."""

_log = structlog.get_logger("lanes")


class _LaneFeedback(msgspec.Struct):
    """What is known here of one lane."""

    report: CapacityReport = CapacityReport()
    pending: bool = False
    sent_at: float = -1.0
    sending: "asyncio.Task[None] | None" = None
    timer: asyncio.TimerHandle | None = None
    unlimited: bool = False
    unreported: int = 0
    """Good answers, since the last report, that said nothing new of a free lane."""
    reminder: asyncio.TimerHandle | None = None
    has_waiting: bool = False
    """Somebody waits, here or elsewhere."""


class CapacityFeedback:
    """One process's reports."""

    def __init__(
        self, store: CapacityStore, local: LocalCapacity, *, clock: Clock, on_learnt: Callable[[str], None]
    ) -> None:
        """`told` is called with a lane's name when something was learnt of it, for the sake of those who wait here."""
        self._store = store
        self._local = local
        self._clock = clock
        self._on_learnt = on_learnt
        self._lanes: dict[str, _LaneFeedback] = {}

    def report_answer(self, lane: str, limits: ReportedLimits, *, ok: bool, age: float) -> None:
        """A call got its answer's head, `age` seconds after it was sent; `ok` unless it failed."""
        desk = self._lane(lane)
        if desk.unlimited and ok and limits.is_empty:
            desk.unreported += 1
            self._remind(lane, desk)
            return
        self._add(lane, desk, _report(limits, age, answered=1, succeeded=int(ok)), urgent=desk.has_waiting)

    def report_rate_limit(
        self, lane: str, limits: ReportedLimits, kind: str, wait: float | None, *, tokens: int, age: float
    ) -> None:
        """A call met a 429 of this kind (`requests`, `tokens`, or another word where no limit was named)."""
        report = _report(limits, age, answered=1, succeeded=0)
        wait = -1.0 if wait is None else wait
        report = msgspec.structs.replace(report, rejection_kind=kind or "unnamed", retry_after=wait, tokens=tokens)
        self._add(lane, self._lane(lane), report, urgent=True)

    def report_outage(self, lane: str) -> None:
        """The upstream is failing."""
        self._add(lane, self._lane(lane), CapacityReport(outage=True), urgent=True)

    def report_waiting(self, lane: str) -> None:
        """Somebody waits in a lane, which so is not free: what is learnt of it is urgent."""
        desk = self._lane(lane)
        desk.has_waiting, desk.unlimited = True, False
        self._send_unreported(lane, desk)

    def is_flushed(self, lane: str) -> bool:
        """Whether everything that is known here of a lane was told."""
        desk = self._lane(lane)
        return desk.sending is None and not desk.pending

    async def flush(self, lane: str) -> None:
        """Wait until what was known here of a lane when this was called is told."""
        desk = self._lane(lane)
        for _ in range(2):  # what is being told now may be older
            self._start_sending(lane, desk)
            if desk.sending is not None:
                await asyncio.shield(desk.sending)

    async def close(self) -> None:
        """Tell what there is left to tell."""
        for lane, desk in self._lanes.items():
            for timer in (desk.timer, desk.reminder):
                if timer is not None:
                    timer.cancel()
            if desk.sending is not None:
                await desk.sending
            if desk.pending:
                await self._send(lane, desk)

    def _lane(self, lane: str) -> _LaneFeedback:
        return self._lanes.setdefault(lane, _LaneFeedback())

    def _add(self, lane: str, desk: _LaneFeedback, report: CapacityReport, *, urgent: bool) -> None:
        desk.report, desk.pending = merged(desk.report, report), True
        if desk.sending is not None:
            return  # it goes along with the next
        wait = 0.0 if urgent else desk.sent_at + REPORT_SECONDS - self._clock.monotonic()
        if wait <= 0 or desk.sent_at < 0:
            self._start_sending(lane, desk)
        elif desk.timer is None:
            desk.timer = asyncio.get_running_loop().call_later(wait, self._start_sending, lane, desk)

    def _remind(self, lane: str, desk: _LaneFeedback) -> None:
        if desk.reminder is None:
            desk.reminder = asyncio.get_running_loop().call_later(MAX_DELAY_SECONDS, self._send_unreported, lane, desk)

    def _send_unreported(self, lane: str, desk: _LaneFeedback) -> None:
        """Tell the answers that were not told yet, because there was no hurry, or no Redis."""
        if desk.reminder is not None:
            desk.reminder.cancel()
            desk.reminder = None
        unsaid, desk.unreported = desk.unreported, 0
        if unsaid or desk.report.answered:
            self._add(lane, desk, CapacityReport(answered=unsaid, succeeded=unsaid), urgent=True)

    def _start_sending(self, lane: str, desk: _LaneFeedback) -> None:
        if desk.timer is not None:
            desk.timer.cancel()
            desk.timer = None
        if desk.sending is None and desk.pending:
            desk.sending = asyncio.create_task(self._send_all(lane, desk), name="lane-news")

    async def _send_all(self, lane: str, desk: _LaneFeedback) -> None:
        try:
            while desk.pending:
                await self._send(lane, desk)
                if not desk.has_waiting:
                    break
        finally:
            desk.sending = None
        if desk.pending:
            desk.timer = asyncio.get_running_loop().call_later(REPORT_SECONDS, self._start_sending, lane, desk)

    async def _send(self, lane: str, desk: _LaneFeedback) -> None:
        report, desk.report, desk.pending = desk.report, CapacityReport(), False
        desk.sent_at = self._clock.monotonic()
        now = self._clock.now()
        self._local.learn(lane, report, now)
        try:
            learnt = await self._store.learn(lane, report, now)
        except RedisUnavailable as error:
            _log.debug("a lane could not be told", lane=lane, detail=error.message)
            untold = CapacityReport(answered=report.answered, succeeded=report.succeeded)
            desk.report = merged(untold, desk.report)
            self._remind(lane, desk)
        else:
            desk.unlimited, desk.has_waiting = learnt.unlimited, learnt.dispatch_in >= 0
            self._local.remember(lane, LearntLimits(rpm=learnt.rpm, tpm=learnt.tpm, unlimited=learnt.unlimited))
        self._on_learnt(lane)


def merged(one: CapacityReport, other: CapacityReport) -> CapacityReport:
    """Two reports as one. Of two figures the lower counts; of two ages the higher, which believes a figure less."""
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


def _report(said: ReportedLimits, age: float, *, answered: int, succeeded: int) -> CapacityReport:
    return CapacityReport(
        answered=answered,
        succeeded=succeeded,
        rpm=_or_unknown(said.requests.limit),
        rpm_remaining=_or_unknown(said.requests.remaining),
        tpm=_or_unknown(said.tokens.limit),
        tpm_remaining=_or_unknown(said.tokens.remaining),
        age=age,
        closed_window=said.exhausted,
        closed_for=said.reset_seconds if said.exhausted else -1.0,
    )


def _or_unknown(figure: int | None) -> int:
    return -1 if figure is None else figure

"""What answers say of the upstream's limits, on its way to the lanes: gathered, and told without holding up a call."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.rate_limits import Said
from tidegate.queue.local import LocalLanes, Share
from tidegate.queue.messages import Report
from tidegate.queue.store import LaneStore

EVERY = 0.2
"""Seconds between two reports on a lane where nobody waits."""

LATEST = 1.0
"""Seconds after which also a good answer in a free lane is told: another replica, or an empty Redis, may know the lane
for one that is not free, and count the call as unanswered until it hears of it."""

_log = structlog.get_logger("lanes")


class _Desk(msgspec.Struct):
    """What is known here of one lane."""

    report: Report = Report()
    pending: bool = False
    told_at: float = -1.0
    telling: "asyncio.Task[None] | None" = None
    later: asyncio.TimerHandle | None = None
    free: bool = False
    unsaid: int = 0
    """Good answers, since the last report, that said nothing new of a free lane."""
    reminder: asyncio.TimerHandle | None = None
    busy: bool = False
    """Somebody waits, here or elsewhere."""


class LaneNews:
    """One process's reports."""

    def __init__(self, store: LaneStore, local: LocalLanes, *, clock: Clock, told: Callable[[str], None]) -> None:
        """`told` is called with a lane's name when something was learnt of it, for the sake of those who wait here."""
        self._store = store
        self._local = local
        self._clock = clock
        self._told = told
        self._desks: dict[str, _Desk] = {}

    def answered(self, lane: str, said: Said, *, ok: bool, age: float) -> None:
        """A call got its answer's head, `age` seconds after it was sent; `ok` unless it failed."""
        desk = self._desk(lane)
        if desk.free and ok and said.nothing:
            desk.unsaid += 1
            self._remind(lane, desk)
            return
        self._add(lane, desk, _report(said, age, answered=1, succeeded=int(ok)), urgent=desk.busy)

    def refused(self, lane: str, said: Said, kind: str, wait: float | None, *, tokens: int, age: float) -> None:
        """A call met a 429 of this kind (`requests`, `tokens`, or another word where no limit was named)."""
        report = _report(said, age, answered=1, succeeded=0)
        wait = -1.0 if wait is None else wait
        report = msgspec.structs.replace(report, refused=kind or "unnamed", wait=wait, tokens=tokens)
        self._add(lane, self._desk(lane), report, urgent=True)

    def outage(self, lane: str) -> None:
        """The upstream is failing."""
        self._add(lane, self._desk(lane), Report(outage=True), urgent=True)

    def waiting(self, lane: str) -> None:
        """Somebody waits in a lane, which so is not free: what is learnt of it is urgent."""
        desk = self._desk(lane)
        desk.busy, desk.free = True, False
        self._say(lane, desk)

    def told(self, lane: str) -> bool:
        """Whether everything that is known here of a lane was told."""
        desk = self._desk(lane)
        return desk.telling is None and not desk.pending

    async def spread(self, lane: str) -> None:
        """Wait until what was known here of a lane when this was called is told."""
        desk = self._desk(lane)
        for _ in range(2):  # what is being told now may be older
            self._begin(lane, desk)
            if desk.telling is not None:
                await asyncio.shield(desk.telling)

    async def close(self) -> None:
        """Tell what there is left to tell."""
        for lane, desk in self._desks.items():
            for timer in (desk.later, desk.reminder):
                if timer is not None:
                    timer.cancel()
            if desk.telling is not None:
                await desk.telling
            if desk.pending:
                await self._tell(lane, desk)

    def _desk(self, lane: str) -> _Desk:
        return self._desks.setdefault(lane, _Desk())

    def _add(self, lane: str, desk: _Desk, report: Report, *, urgent: bool) -> None:
        desk.report, desk.pending = merged(desk.report, report), True
        if desk.telling is not None:
            return  # it goes along with the next
        wait = 0.0 if urgent else desk.told_at + EVERY - self._clock.monotonic()
        if wait <= 0 or desk.told_at < 0:
            self._begin(lane, desk)
        elif desk.later is None:
            desk.later = asyncio.get_running_loop().call_later(wait, self._begin, lane, desk)

    def _remind(self, lane: str, desk: _Desk) -> None:
        if desk.reminder is None:
            desk.reminder = asyncio.get_running_loop().call_later(LATEST, self._say, lane, desk)

    def _say(self, lane: str, desk: _Desk) -> None:
        """Tell the answers that were not told yet, because there was no hurry, or no Redis."""
        if desk.reminder is not None:
            desk.reminder.cancel()
            desk.reminder = None
        unsaid, desk.unsaid = desk.unsaid, 0
        if unsaid or desk.report.answered:
            self._add(lane, desk, Report(answered=unsaid, succeeded=unsaid), urgent=True)

    def _begin(self, lane: str, desk: _Desk) -> None:
        if desk.later is not None:
            desk.later.cancel()
            desk.later = None
        if desk.telling is None and desk.pending:
            desk.telling = asyncio.create_task(self._tell_all(lane, desk), name="lane-news")

    async def _tell_all(self, lane: str, desk: _Desk) -> None:
        try:
            while desk.pending:
                await self._tell(lane, desk)
                if not desk.busy:
                    break
        finally:
            desk.telling = None
        if desk.pending:
            desk.later = asyncio.get_running_loop().call_later(EVERY, self._begin, lane, desk)

    async def _tell(self, lane: str, desk: _Desk) -> None:
        report, desk.report, desk.pending = desk.report, Report(), False
        desk.told_at = self._clock.monotonic()
        now = self._clock.now()
        self._local.learn(lane, report, now)
        try:
            learnt = await self._store.learn(lane, report, now)
        except RedisUnavailable as error:
            _log.debug("a lane could not be told", lane=lane, detail=error.message)
            untold = Report(answered=report.answered, succeeded=report.succeeded)
            desk.report = merged(untold, desk.report)
            self._remind(lane, desk)
        else:
            desk.free, desk.busy = learnt.free, learnt.again >= 0
            self._local.remember(lane, Share(rpm=learnt.rpm, tpm=learnt.tpm, free=learnt.free))
        self._told(lane)


def merged(one: Report, other: Report) -> Report:
    """Two reports as one. Of two figures the lower counts; of two ages the higher, which believes a figure less."""
    return Report(
        answered=one.answered + other.answered,
        succeeded=one.succeeded + other.succeeded,
        rpm=other.rpm if other.rpm > 0 else one.rpm,
        rpm_left=_lower(one.rpm_left, other.rpm_left),
        tpm=other.tpm if other.tpm > 0 else one.tpm,
        tpm_left=_lower(one.tpm_left, other.tpm_left),
        age=max(one.age, other.age),
        shut=other.shut if other.shut_for >= one.shut_for else one.shut,
        shut_for=max(one.shut_for, other.shut_for),
        refused=other.refused or one.refused,
        wait=max(one.wait, other.wait),
        tokens=max(one.tokens, other.tokens),
        outage=one.outage or other.outage,
    )


def _lower(one: int, other: int) -> int:
    return min(one, other) if one >= 0 and other >= 0 else max(one, other)


def _report(said: Said, age: float, *, answered: int, succeeded: int) -> Report:
    return Report(
        answered=answered,
        succeeded=succeeded,
        rpm=_known(said.requests.limit),
        rpm_left=_known(said.requests.left),
        tpm=_known(said.tokens.limit),
        tpm_left=_known(said.tokens.left),
        age=age,
        shut=said.shut,
        shut_for=said.shut_for if said.shut else -1.0,
    )


def _known(figure: int | None) -> int:
    return -1 if figure is None else figure

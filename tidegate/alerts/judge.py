"""Judge the alerts once in ten seconds, in one process for all of them, and announce what changed."""

from collections.abc import Callable, Sequence

import msgspec
import structlog

from tidegate.alerts.delivery import AlertDelivery
from tidegate.alerts.figures import SLOT_SECONDS, add_up, window_slots
from tidegate.alerts.judgement import Judgement, judge_cost, judge_errors, judge_slow
from tidegate.alerts.message import AlertMessage, state_message
from tidegate.alerts.recorder import AlertRecorder
from tidegate.alerts.sharing import FigureSharing, FleetFigures
from tidegate.alerts.spending import SpendingReader
from tidegate.alerts.store import AlertBook, AlertStore
from tidegate.alerts.thresholds import AlertName, Thresholds
from tidegate.alerts.transition import AlertState, step
from tidegate.core.clock import Clock
from tidegate.core.errors import PostgresUnavailable, StoreError
from tidegate.core.ids import IdSource
from tidegate.core.periodic import PeriodicTask

_log = structlog.get_logger("alerts")

KnownCauses = Callable[[], Sequence[str]]
"""Returns what is known to be broken now: targets that are down, credentials that are disabled."""


class AlertJudge:
    """Judges in rounds, between `start` and `close`."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        thresholds: Thresholds,
        clock: Clock,
        *,
        process: str,
        recorder: AlertRecorder,
        sharing: FigureSharing,
        store: AlertStore,
        spending: SpendingReader,
        delivery: AlertDelivery,
        known_causes: KnownCauses,
        ids: IdSource,
    ) -> None:
        """`process` names this process in messages that it sends alone."""
        self._thresholds = thresholds
        self._clock = clock
        self._process = process
        self._recorder = recorder
        self._sharing = sharing
        self._store = store
        self._spending = spending
        self._delivery = delivery
        self._known_causes = known_causes
        self._ids = ids
        self._task = PeriodicTask("alerts", self.judge, every=SLOT_SECONDS, wait_first=True, quiet=(StoreError,))

    async def start(self) -> None:
        """Begin the rounds."""
        await self._task.start()

    async def close(self) -> None:
        """Stop the rounds."""
        await self._task.close()

    async def judge(self) -> None:
        """Share this process's figures; judge those of all, unless another process does."""
        now = self._clock.now()
        window = window_slots(now, self._thresholds.window_seconds)
        figures = await self._sharing.exchange(self._recorder.slots(), now, window)
        if figures is None:
            return
        book = await self._store.load()
        for judgement in await self._judgements(figures, now):
            await self._apply(book, judgement, now, is_alone=figures.is_alone)

    async def _judgements(self, figures: FleetFigures, now: float) -> list[Judgement]:
        total, enabled = add_up(figures.slots), self._thresholds.enabled
        judgements = []
        if AlertName.SLOW in enabled:
            judgements.append(judge_slow(figures.slots, total, self._thresholds))
        if AlertName.ERRORS in enabled:
            judgements.append(judge_errors(figures.slots, total, self._thresholds))
        if AlertName.COST in enabled and not figures.is_alone:
            spending = await self._spending.read(now)
            if spending is not None:
                judgements.append(judge_cost(spending, self._thresholds, now))
        return judgements

    async def _apply(self, book: AlertBook, judgement: Judgement, now: float, *, is_alone: bool) -> None:
        state = book.state(judgement.alert)
        if judgement.is_over and not state.is_firing:
            judgement = await self._with_causes(judgement, now)
        muted = now < book.muted_until
        taken = step(state, judgement, now=now, window_seconds=self._thresholds.window_seconds, muted=muted)
        if taken.state == state:
            return
        message = self._message(taken.state, now, is_alone=is_alone) if taken.message else None
        try:
            saved = await self._store.save(taken.state, message, self._delivery.channel_names, now)
        except PostgresUnavailable:
            saved = True
            if message:
                self._delivery.hold(message)
        if saved and message:
            self._log(message)
            self._delivery.wake()

    async def _with_causes(self, judgement: Judgement, now: float) -> Judgement:
        """Add what else is known, for the message that says that an alert fires."""
        if judgement.alert is AlertName.COST:
            more = await self._spending.spenders(now)
        else:
            more = tuple(self._known_causes())
        return msgspec.structs.replace(judgement, causes=(*judgement.causes, *more))

    def _message(self, state: AlertState, now: float, *, is_alone: bool) -> AlertMessage:
        judged_by = f"process {self._process}" if is_alone else "fleet"
        return state_message(state, message_id=self._ids("alert_"), now=now, judged_by=judged_by)

    def _log(self, message: AlertMessage) -> None:
        write = _log.error if message.kind == "firing" else _log.warning
        write(
            f"alert {message.kind}",
            alert=message.alert,
            what=message.what,
            since=message.since,
            whose=message.fault,
            causes=list(message.causes),
            remedy=message.remedy,
            judged_by=message.judged_by,
            message_id=message.id,
        )

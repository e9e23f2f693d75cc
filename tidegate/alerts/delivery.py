"""Deliver messages to the channels, again and again until each channel accepts them. One task in each process."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from tidegate.alerts.channels import AlertChannel, DeliveryFailed
from tidegate.alerts.message import AlertMessage
from tidegate.alerts.outbox import Outbox, QueuedMessage
from tidegate.core.clock import Clock
from tidegate.core.errors import PostgresUnavailable
from tidegate.core.periodic import PeriodicTask
from tidegate.core.scrub import scrub

ROUND_SECONDS = 5.0
MAX_HELD = 50
"""Messages that one process holds while PostgreSQL is away; the oldest is dropped, and the log says so."""
KEEP_SECONDS = 7 * 86_400.0
"""For so long a message is sent again; then it is forgotten."""
_LEASE_SECONDS = 60.0
"""Longer than an attempt takes: then another process may send the message."""
_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS = 2.0, 300.0
_FORGET_EVERY_SECONDS = 3600.0

_log = structlog.get_logger("alerts")


def retry_seconds(attempts: int) -> float:
    """Return the pause after so many attempts: 2 s, doubled each time, 5 minutes at most."""
    return float(min(_MAX_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2 ** min(attempts - 1, 10)))


class AlertDelivery:
    """Delivers what is in the outbox, and what this process holds while PostgreSQL is away."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, AlertChannel],
        clock: Clock,
        *,
        on_lost: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`channels` are known by the names under which messages are queued; `on_lost` counts lost messages."""
        self.outbox = outbox
        self._channels = channels
        self._clock = clock
        self._held: deque[tuple[QueuedMessage, float]] = deque()
        """Messages that PostgreSQL could not take, each with the time of its next attempt."""
        self._forgot_at = clock.now()
        self._on_lost = on_lost
        self._task = PeriodicTask("alert-delivery", self.deliver, every=ROUND_SECONDS)

    @property
    def channel_names(self) -> list[str]:
        """The names of the channels."""
        return list(self._channels)

    async def start(self) -> None:
        """Start, if there is a channel."""
        if self._channels:
            await self._task.start()

    async def close(self) -> None:
        """Stop. What was not delivered stays in the outbox."""
        await self._task.close()

    def wake(self) -> None:
        """Deliver now."""
        self._task.wake()

    def hold(self, message: AlertMessage) -> None:
        """Deliver a message that PostgreSQL did not take."""
        for name in self._channels:
            if len(self._held) >= MAX_HELD:
                lost, _ = self._held.popleft()
                self._on_lost(1)
                _log.error("alert message is lost: too many wait", message_id=lost.message.id, channel=lost.channel)
            self._held.append((QueuedMessage(message=message, channel=name), self._clock.now()))
        self.wake()

    async def deliver(self) -> None:
        """Send every message that is due. Raises PostgresUnavailable where only those held here were sent."""
        await self._deliver_held()
        now = self._clock.now()
        due = await self.outbox.take(self._channels, now, _LEASE_SECONDS)
        await asyncio.gather(*(self._deliver(queued) for queued in due))
        if now - self._forgot_at > _FORGET_EVERY_SECONDS:
            self._forgot_at = now
            if lost := await self.outbox.forget(now - KEEP_SECONDS):
                self._on_lost(lost)
                _log.error("alert messages are given up: no channel accepted them for a week", count=lost)

    async def _deliver(self, queued: QueuedMessage) -> None:
        reason = await self._send(queued)
        now = self._clock.now()
        if reason is None:
            await self.outbox.note_delivered(queued, now)
        else:
            await self.outbox.note_failed(queued, now + retry_seconds(queued.attempts), reason)

    async def _send(self, queued: QueuedMessage) -> str | None:
        """Send a message; return why it was not accepted, or None."""
        where = {"channel": queued.channel, "message_id": queued.message.id}
        try:
            await self._channels[queued.channel].send(queued.message)
        except DeliveryFailed as error:
            reason = scrub(str(error))
            _log.warning("alert message was not accepted, and is sent again", reason=reason, **where)
            return reason
        except Exception as error:  # noqa: BLE001  # a defect in one channel must not keep messages from the others
            _log.error("alert message could not be sent", exc_info=error, **where)
            return type(error).__name__
        return None

    async def _deliver_held(self) -> None:
        """Move what is held here to the outbox, else send it from here."""
        for _ in range(len(self._held)):
            queued, due_at = self._held.popleft()
            now = self._clock.now()
            try:
                await self.outbox.put(queued.message, [queued.channel], now)
            except PostgresUnavailable:
                if due_at <= now:
                    due_at = await self._send_held(queued)
                    queued = QueuedMessage(message=queued.message, channel=queued.channel, attempts=queued.attempts + 1)
                if due_at:
                    self._held.append((queued, due_at))

    async def _send_held(self, queued: QueuedMessage) -> float:
        """Send a message that is held here; return when it is due again, 0 if it was accepted."""
        if await self._send(queued) is None:
            return 0.0
        return self._clock.now() + retry_seconds(queued.attempts + 1)

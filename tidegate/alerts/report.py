"""Show the alerts, mute them, and try the way to each channel. Used by the admin API and the command line."""

from collections.abc import Collection, Sequence

import msgspec

from tidegate.alerts.message import trial_message
from tidegate.alerts.outbox import Delivery, Outbox
from tidegate.alerts.store import AlertStore
from tidegate.alerts.thresholds import AlertName, Thresholds
from tidegate.alerts.transition import AlertState
from tidegate.core.clock import Clock
from tidegate.core.ids import IdSource

MAX_MUTE_SECONDS = 7 * 86_400.0


class AlertListing(msgspec.Struct, frozen=True, kw_only=True):
    """All alerts, and their newest messages."""

    states: tuple[AlertState, ...]
    enabled: frozenset[AlertName]
    muted_until: float | None
    """Unix seconds; None while alerts are not muted."""
    channels: tuple[str, ...]
    deliveries: tuple[Delivery, ...]


class AlertReport:
    """Reads and changes what PostgreSQL has. All methods raise PostgresUnavailable."""

    def __init__(  # a parameter for each part
        self,
        store: AlertStore,
        outbox: Outbox,
        thresholds: Thresholds,
        channels: Collection[str],
        clock: Clock,
        ids: IdSource,
    ) -> None:
        """`channels` are the names of those that are configured."""
        self._store = store
        self._outbox = outbox
        self._thresholds = thresholds
        self._channels = tuple(channels)
        self._clock = clock
        self._ids = ids

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the configured channels."""
        return self._channels

    async def read(self) -> AlertListing:
        """Return all alerts."""
        book = await self._store.read()
        return AlertListing(
            states=tuple(book.state(alert) for alert in AlertName),
            enabled=self._thresholds.enabled,
            muted_until=book.muted_until if book.muted_until > self._clock.now() else None,
            channels=self._channels,
            deliveries=tuple(await self._outbox.deliveries()),
        )

    async def mute(self, seconds: float) -> float:
        """Send no message for so long; return until when, in Unix seconds. States go on changing."""
        until = self._clock.now() + min(seconds, MAX_MUTE_SECONDS)
        await self._store.mute(until)
        return until

    async def unmute(self) -> None:
        """Send messages again; what still fires and was held back is sent in the next round."""
        await self._store.mute(None)

    async def send_test(self) -> str:
        """Queue a test message to each channel; return its id. A process that serves delivers it."""
        message = trial_message(message_id=self._ids("alert_"), now=self._clock.now())
        await self._outbox.put(message, self._channels, self._clock.now())
        return message.id

    async def deliveries_of(self, message_id: str) -> Sequence[Delivery]:
        """Return what became of one message, by channel."""
        return await self._outbox.deliveries(message_id=message_id)

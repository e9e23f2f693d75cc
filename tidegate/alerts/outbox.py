"""Messages that wait for their delivery, in PostgreSQL: they survive every process until a channel accepts them."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from tidegate.alerts.message import AlertMessage
from tidegate.storage.postgres import Postgres, queries


class QueuedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message to one channel."""

    message: AlertMessage
    channel: str
    attempts: int = 0


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message at one channel."""

    message: AlertMessage
    channel: str
    made_at: float
    """Unix seconds."""
    attempts: int
    delivered_at: float | None
    last_error: str | None


class Outbox:
    """Queues messages, and lends each to one process at a time. All methods raise PostgresUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._sql = queries("alerts")

    async def put(self, message: AlertMessage, channels: Collection[str], now: float) -> None:
        """Queue a message to each channel."""
        text = msgspec.json.encode(message).decode()
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["queue"], message.id, text, list(channels), now)

    async def take(self, channels: Collection[str], now: float, lease_seconds: float) -> list[QueuedMessage]:
        """Return messages that are due; no other process gets them before the lease ends."""
        async with self._postgres.connection() as connection:
            rows: list[Any] = await connection.fetch(self._sql["take"], now, list(channels), now + lease_seconds)
        return [
            QueuedMessage(
                message=msgspec.json.decode(row["message"], type=AlertMessage),
                channel=row["channel"],
                attempts=row["attempts"],
            )
            for row in rows
        ]

    async def note_delivered(self, queued: QueuedMessage, now: float) -> None:
        """Note that the channel accepted the message."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["delivered"], queued.message.id, queued.channel, now)

    async def note_failed(self, queued: QueuedMessage, retry_at: float, reason: str) -> None:
        """Note that the channel did not accept the message."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["failed"], queued.message.id, queued.channel, retry_at, reason)

    async def forget(self, before: float) -> int:
        """Forget old messages; return how many of them were never delivered."""
        async with self._postgres.connection() as connection:
            return int(await connection.fetchval(self._sql["forget"], before))

    async def deliveries(self, *, limit: int = 20, message_id: str | None = None) -> Sequence[Delivery]:
        """Return the newest messages, or those of one id, and what became of them."""
        async with self._postgres.connection() as connection:
            rows: list[Any] = await connection.fetch(self._sql["deliveries"], limit, message_id)
        return [
            Delivery(
                message=msgspec.json.decode(row["message"], type=AlertMessage),
                channel=row["channel"],
                made_at=row["made_at"],
                attempts=row["attempts"],
                delivered_at=row["delivered_at"],
                last_error=row["last_error"],
            )
            for row in rows
        ]

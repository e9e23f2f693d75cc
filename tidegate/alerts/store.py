"""The alerts' states and muting in PostgreSQL, with a copy in Redis and in memory for the time that it is away."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.alerts.message import AlertMessage
from tidegate.alerts.thresholds import AlertName
from tidegate.alerts.transition import AlertState
from tidegate.core.errors import PostgresUnavailable, RedisUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.postgres import Postgres, queries
from tidegate.storage.redis import RedisLink

_KEEP_SECONDS = 7 * 86_400


class AlertBook(msgspec.Struct, frozen=True):
    """The states of all alerts, and until when no message is sent."""

    states: dict[AlertName, AlertState] = {}
    muted_until: float = 0.0
    """Unix seconds; 0 while alerts are not muted."""

    def state(self, alert: AlertName) -> AlertState:
        """Return the state of an alert; one that never fired is not firing."""
        return self.states.get(alert) or AlertState(alert=alert)


class AlertStore:
    """Loads and saves the states."""

    def __init__(self, postgres: Postgres, redis: RedisLink, *, prefix: str) -> None:
        self._postgres = postgres
        self._redis = redis
        self._sql = queries("alerts")
        self._copy = RedisNames(prefix).of("alerts:states")
        self._known = AlertBook()

    async def read(self) -> AlertBook:
        """Return what PostgreSQL has. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            rows: list[Any] = await connection.fetch(self._sql["load"])
        states = [_state(row["state"]) for row in rows if row["state"] is not None]
        muted_until = rows[0]["muted_until"] if rows else None
        return AlertBook({state.alert: state for state in states if state}, muted_until or 0.0)

    async def read_or_copies(self, timeout: float) -> AlertBook:  # noqa: ASYNC109  # the copies are read after it
        """Return what PostgreSQL has; without an answer within `timeout` seconds, what Redis and this process have."""
        try:
            async with asyncio.timeout(timeout):
                return await self.read()
        except (PostgresUnavailable, TimeoutError):
            return await self._read_copies()

    async def load(self) -> AlertBook:
        """Return the newest states that any place has; PostgreSQL then has them, too, if it answers."""
        try:
            stored = await self.read()
        except PostgresUnavailable:
            self._known = await self._read_copies()
            return self._known
        states = _newest(stored, self._known, await self._read_copy())
        for alert, state in states.items():
            if state.version > stored.state(alert).version:
                await self._save_state(state)
        self._known = AlertBook(states, stored.muted_until)
        return self._known

    async def save(self, state: AlertState, message: AlertMessage | None, channels: Sequence[str], now: float) -> bool:
        """Save a new state, and queue its message in the same transaction; return whether no other process was first.

        Raises PostgresUnavailable; the state is then kept in Redis and in this process, and no message is queued.
        """
        try:
            saved = await self._save_state(state, message, channels, now)
        except PostgresUnavailable:
            await self._keep(state)
            raise
        if saved:
            await self._keep(state)
        return saved

    async def mute(self, until: float | None) -> None:
        """Send no message before `until`, in Unix seconds; None ends that. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["mute"], until)

    async def _save_state(
        self,
        state: AlertState,
        message: AlertMessage | None = None,
        channels: Sequence[str] = (),
        now: float = 0.0,
    ) -> bool:
        text = msgspec.json.encode(state).decode()
        body = msgspec.json.encode(message).decode() if message else "null"
        message_id = message.id if message else ""
        to = list(channels) if message else []
        async with self._postgres.connection() as connection:
            return bool(
                await connection.fetchval(
                    self._sql["save"], state.alert.value, state.version, text, body, message_id, to, now
                )
            )

    async def _keep(self, state: AlertState) -> None:
        states = {**self._known.states, state.alert: state}
        self._known = AlertBook(states, self._known.muted_until)
        try:
            await self._redis.command("SET", self._copy, msgspec.json.encode(self._known), "EX", _KEEP_SECONDS)
        except RedisUnavailable:
            return

    async def _read_copies(self) -> AlertBook:
        copied = await self._read_copy()
        return AlertBook(_newest(self._known, copied), max(self._known.muted_until, copied.muted_until))

    async def _read_copy(self) -> AlertBook:
        try:
            data: bytes | None = await self._redis.command("GET", self._copy)
            return msgspec.json.decode(data, type=AlertBook) if data else AlertBook()
        except (RedisUnavailable, msgspec.DecodeError):
            return AlertBook()


def _state(text: str) -> AlertState | None:
    """Return a stored state; None for one that another release wrote and that is unknown here."""
    try:
        return msgspec.json.decode(text, type=AlertState)
    except msgspec.DecodeError:
        return None


def _newest(*books: AlertBook) -> dict[AlertName, AlertState]:
    states: dict[AlertName, AlertState] = {}
    for book in books:
        for alert, state in book.states.items():
            if alert not in states or state.version > states[alert].version:
                states[alert] = state
    return states

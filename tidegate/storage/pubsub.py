"""Receives messages on one channel of Redis, and reconnects whenever the connection is lost.

Used for mailboxes, health changes and notifications. A channel stores nothing. Messages that are published while the
connection is away are lost, so a listener must be able to do without any single message.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog

from tidegate.core.errors import RedisUnavailable
from tidegate.core.periodic import PeriodicTask
from tidegate.storage.redis import RedisLink

_RECONNECT_SECONDS = 0.2
_START_SECONDS = 1.0
_SILENCE_SECONDS = 10.0
_LOGGED_AFTER = 5
"""Rounds in a row that fail although commands are answered: less is Redis restarting, which its own connection logs."""

_log = structlog.get_logger("channel")


class Channel:
    """One channel, received between `start` and `close`."""

    def __init__(self, link: RedisLink, name: str, *, silence: float = _SILENCE_SECONDS) -> None:
        """`name` is the channel's full name in Redis. After `silence` seconds without a message Redis is pinged.

        An unanswered ping means that the other end is gone without notice, as when a machine or a network is lost.
        """
        self._link = link
        self._silence = silence
        self.name = name
        self._task = PeriodicTask(f"channel {name}", self._listen, every=_RECONNECT_SECONDS)
        self._ready = asyncio.Event()
        self._on_message: Callable[[bytes], None] = lambda _: None
        self._on_gap: Callable[[], None] = lambda: None
        self._was_subscribed = False
        self._failures = 0

    def __repr__(self) -> str:
        return f"<Channel {self.name}: {'subscribed' if self._ready.is_set() else 'not subscribed'}>"

    async def start(self, on_message: Callable[[bytes], None], on_gap: Callable[[], None] | None = None) -> None:
        """Subscribe; return once subscribed, or after a second without success.

        `on_gap` is called when the channel is received again after an interruption, in which messages may have been
        lost.
        """
        self._on_message = on_message
        self._on_gap = on_gap or self._on_gap
        await self._task.start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), _START_SECONDS)

    async def close(self) -> None:
        """Stop receiving."""
        await self._task.close()

    async def _listen(self) -> None:
        """Subscribe, and receive until the connection is lost; one such round follows the other."""
        try:
            async with self._link.dedicated() as client, client.pubsub() as channel:
                await channel.subscribe(self.name)
                await self._receive(channel)
        except RedisUnavailable as error:
            self._failures = self._failures + 1 if self._link.up else 0
            if self._failures == _LOGGED_AFTER:
                _log.warning("a channel lost its connection", channel=self.name, detail=error.message)
        finally:
            self._ready.clear()

    async def _receive(self, channel: Any) -> None:
        """Hand messages on until the connection is silent although it was pinged."""
        pinged = False
        while True:
            item = await channel.get_message(timeout=self._silence)
            if item is None:
                if pinged:
                    raise RedisUnavailable("Redis: the channel's connection is silent.")
                await channel.ping()
            elif item["type"] == "message":
                self._deliver(item["data"])
            elif item["type"] == "subscribe":
                self._subscribed()
            pinged = item is None

    def _subscribed(self) -> None:
        was_subscribed, self._was_subscribed = self._was_subscribed, True
        self._failures = 0
        self._ready.set()
        if was_subscribed:
            self._on_gap()

    def _deliver(self, data: bytes) -> None:
        try:
            self._on_message(data)
        except Exception:  # noqa: BLE001  # one bad message must not end the receiving of all others
            _log.exception("a message was not understood", channel=self.name)

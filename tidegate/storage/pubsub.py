"""Receives messages on one channel of Redis, and reconnects whenever the connection is lost.

Used for mailboxes, health changes and notifications. A channel stores nothing. Messages that are published while the
connection is away are lost, so a listener must be able to do without any single message.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.redis import RedisLink

_RECONNECT_SECONDS = 0.2
_START_SECONDS = 1.0

_log = structlog.get_logger("channel")


class Channel:
    """One channel, received between `start` and `close`."""

    def __init__(self, link: RedisLink, name: str) -> None:
        """`name` is the channel's full name in Redis."""
        self._link = link
        self.name = name
        self._listener: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Channel {self.name}: {'heard' if self._ready.is_set() else 'not heard'}>"

    async def start(self, on_message: Callable[[bytes], None], on_gap: Callable[[], None] | None = None) -> None:
        """Subscribe; return once subscribed, or after a second without success.

        `on_gap` is called when the channel is received again after an interruption, in which messages may have been
        lost.
        """
        self._listener = asyncio.create_task(self._listen(on_message, on_gap), name=f"channel {self.name}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), _START_SECONDS)

    async def close(self) -> None:
        """Stop receiving."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener

    async def _listen(self, hear: Callable[[bytes], None], missed: Callable[[], None] | None) -> None:
        again = False
        told = False
        while True:
            try:
                async with self._link.dedicated() as client, client.pubsub() as channel:
                    await channel.subscribe(self.name)
                    async for item in channel.listen():
                        if item["type"] == "message":
                            self._deliver(item["data"], hear)
                        else:
                            told = False
                            self._ready.set()
                            if again and missed is not None:
                                missed()
                            again = True
            except RedisUnavailable as error:
                if not told:  # once per outage, and not five times a second
                    _log.warning("a channel lost its connection", channel=self.name, detail=error.message)
                told = True
            self._ready.clear()
            await asyncio.sleep(_RECONNECT_SECONDS)

    def _deliver(self, data: bytes, hear: Callable[[bytes], None]) -> None:
        try:
            hear(data)
        except Exception:  # noqa: BLE001  # one bad message must not end the hearing of all others
            _log.exception("a message was not understood", channel=self.name)

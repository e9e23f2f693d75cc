"""A process's own channel in Redis: what is published there is handed on, over as many connections as it takes.

A channel keeps nothing. What is published while the connection is away is lost, so whoever listens must be able to do
without any single message.
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
    """One channel, heard between `start` and `close`."""

    def __init__(self, link: RedisLink, name: str) -> None:
        """`name` is the channel's full name in Redis."""
        self._link = link
        self.name = name
        self._listener: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Channel {self.name}: {'heard' if self._ready.is_set() else 'not heard'}>"

    async def start(self, on_message: Callable[[bytes], None], on_gap: Callable[[], None] | None = None) -> None:
        """Begin to hear; returns once subscribed, or after a second without.

        `missed` is called when the channel is heard again after it was not, for what may have been lost meanwhile.
        """
        self._listener = asyncio.create_task(self._listen(on_message, on_gap), name=f"channel {self.name}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), _START_SECONDS)

    async def close(self) -> None:
        """Stop hearing."""
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
                if not told:  # once an outage, and not five times a second
                    _log.warning("a channel lost its connection", channel=self.name, detail=error.message)
                told = True
            self._ready.clear()
            await asyncio.sleep(_RECONNECT_SECONDS)

    def _deliver(self, data: bytes, hear: Callable[[bytes], None]) -> None:
        try:
            hear(data)
        except Exception:  # noqa: BLE001  # one bad message must not end the hearing of all others
            _log.exception("a message was not understood", channel=self.name)

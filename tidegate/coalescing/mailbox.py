"""Messages between processes about flights. Each process subscribes to a channel of its own in Redis.

A channel stores nothing. So every relay message carries the index of its first event. A follower that misses a message
notices the gap, or the silence, and requests the events again from its position.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import structlog

from tidegate.core.errors import RedisUnavailable, TidegateError
from tidegate.core.periodic import PeriodicTask
from tidegate.core.values import AnswerHead
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink

_RECONNECT_SECONDS = 0.2
SILENCE_SECONDS = 5.0
"""After which a silent connection is pinged, as its other end may be gone."""
_log = structlog.get_logger("mailbox")


class FollowMessage(msgspec.Struct, frozen=True, kw_only=True, tag="follow"):
    """A follower requests events from `index` on, or (`wants` false) no more events, from the owner of the flight."""

    fingerprint: str
    follower: str
    """The name of the follower, to which replies are addressed."""
    process: str
    """The follower's process."""
    index: int
    wants: bool = True


class RelayMessage(msgspec.Struct, frozen=True, kw_only=True, tag="relay"):
    """The owner's reply: some events, or how the answer ended."""

    follower: str
    index: int = 0
    events: list[bytes] = []
    head: AnswerHead | None = None
    ended: bool = False
    cost_nanos: int = 0
    lost: bool = False
    """The owner has no such flight."""
    failed: dict[str, object] | None = None
    """The packed error, if the answer failed."""


_decoder = msgspec.msgpack.Decoder(FollowMessage | RelayMessage)


class Mailbox:
    """The channel of one process. Use it between `start` and `close`."""

    def __init__(self, link: RedisLink, *, prefix: str, process: str, silence: float = SILENCE_SECONDS) -> None:
        """After `silence` seconds without a message the connection is pinged, after twice that it is replaced."""
        self._link = link
        self._silence = silence
        self._names = RedisNames(prefix)
        self.process = process
        self._handlers: dict[str, Callable[[RelayMessage], None]] = {}
        self._task: PeriodicTask | None = None
        self._ready = asyncio.Event()

    async def start(self, serve: Callable[[FollowMessage], None]) -> None:
        """Begin to receive; `serve` is called with the requests of followers in other processes."""
        listen = partial(self._listen, serve)
        self._task = PeriodicTask("mailbox", listen, every=_RECONNECT_SECONDS, quiet=(RedisUnavailable,))
        await self._task.start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), 1.0)

    async def close(self) -> None:
        """Stop receiving."""
        if self._task is not None:
            await self._task.close()

    def register(self, follower: str, handler: Callable[[RelayMessage], None]) -> None:
        """Have the replies to a follower passed to `handler`."""
        self._handlers[follower] = handler

    def unregister(self, follower: str) -> None:
        """Drop further replies to a follower."""
        self._handlers.pop(follower, None)

    async def request_events(self, message: FollowMessage, owner: str) -> bool:
        """Send a follower's request to the owner; return whether its process listens. Raises RedisUnavailable."""
        return await self._publish(owner.partition(":")[0], message)

    async def owner_of(self, fingerprint: str) -> str | None:
        """Return the present holder of the flight's lease. Raises RedisUnavailable."""
        reply = await self._link.command("GET", self._names.of("flight", fingerprint))
        return reply.decode(errors="replace") if reply else None

    async def send_events(
        self,
        to: FollowMessage,
        index: int,
        events: list[bytes],
        *,
        head: AnswerHead | None = None,
        cost_nanos: int = 0,
    ) -> bool:
        """Send events, and the cost if known; return whether the follower listens. Raises RedisUnavailable."""
        message = RelayMessage(follower=to.follower, index=index, events=events, head=head, cost_nanos=cost_nanos)
        return await self._publish(to.process, message)

    async def send_end(self, to: FollowMessage, index: int, cost_nanos: int) -> None:
        """Send the end of the answer. Raises RedisUnavailable."""
        message = RelayMessage(follower=to.follower, index=index, ended=True, cost_nanos=cost_nanos)
        await self._publish(to.process, message)

    async def send_lost(self, to: FollowMessage) -> None:
        """Send that this process has no such flight."""
        with contextlib.suppress(RedisUnavailable):  # the follower notices the silence
            await self._publish(to.process, RelayMessage(follower=to.follower, lost=True))

    async def send_error(self, to: FollowMessage, error: TidegateError) -> None:
        """Send the error with which the answer failed."""
        with contextlib.suppress(RedisUnavailable):  # the follower notices the silence
            await self._publish(to.process, RelayMessage(follower=to.follower, failed=error.pack()))

    async def _publish(self, process: str, message: FollowMessage | RelayMessage) -> bool:
        receivers = await self._link.command("PUBLISH", self._channel(process), msgspec.msgpack.encode(message))
        return int(receivers) > 0

    def _channel(self, process: str) -> str:
        return self._names.of("process", process)

    async def _listen(self, serve: Callable[[FollowMessage], None]) -> None:
        """Receive on one connection until it is lost. Raises RedisUnavailable if there is none."""
        is_subscribed = False
        try:
            async with self._link.dedicated() as client, client.pubsub() as channel:
                async with asyncio.timeout(self._silence):
                    await channel.subscribe(self._channel(self.process))
                is_subscribed = True
                await self._receive(channel, serve)
        except RedisUnavailable as error:
            if not is_subscribed or not self._link.up:  # a Redis that is away logs that itself
                raise
            _log.warning("mailbox lost its connection", detail=error.message)

    async def _receive(self, channel: Any, serve: Callable[[FollowMessage], None]) -> None:
        """Dispatch messages until the connection is silent although it was pinged."""
        pinged = False
        while True:
            item = await channel.get_message(timeout=self._silence)
            if item is None:
                if pinged:
                    raise RedisUnavailable("Redis: the mailbox's connection is silent.")
                await channel.ping()
            elif item["type"] == "message":
                self._dispatch(item["data"], serve)
            pinged = item is None
            self._ready.set()

    def _dispatch(self, data: bytes, serve: Callable[[FollowMessage], None]) -> None:
        try:
            message = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            _log.exception("cannot decode a mailbox message")
            return
        if isinstance(message, FollowMessage):
            serve(message)
        elif handler := self._handlers.get(message.follower):
            handler(message)

"""What processes say to each other about flights: each has a channel in Redis, and hears what is published there.

A channel keeps nothing. So every message of a relay carries the index of its first event; a follower that misses
one notices the gap, or the silence, and asks again from where it is.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from tidegate.core.errors import RedisUnavailable, TidegateError
from tidegate.core.values import AnswerHead
from tidegate.storage.redis import RedisLink

_RECONNECT_SECONDS = 0.2
SILENCE_SECONDS = 5.0
"""After which a connection is tried: its other end may be gone without a word."""
_log = structlog.get_logger("mailbox")


class FollowMessage(msgspec.Struct, frozen=True, kw_only=True, tag="follow"):
    """A follower asks the flight's owner for events from `index` on, or (`wants` false) for no more."""

    fingerprint: str
    follower: str
    """A name of the follower's own, under which it hears."""
    process: str
    """The process in which it hears."""
    index: int
    wants: bool = True


class RelayMessage(msgspec.Struct, frozen=True, kw_only=True, tag="relay"):
    """The owner's reply: some events, or how it ended."""

    follower: str
    index: int = 0
    events: list[bytes] = []
    head: AnswerHead | None = None
    ended: bool = False
    cost_nanos: int = 0
    lost: bool = False
    """The owner knows no such flight."""
    failed: dict[str, object] | None = None
    """The error's name and message, where the answer failed."""


_decoder = msgspec.msgpack.Decoder(FollowMessage | RelayMessage)


class Mailbox:
    """One process's channel. Use it between `start` and `close`."""

    def __init__(self, link: RedisLink, *, prefix: str, process: str, silence: float = SILENCE_SECONDS) -> None:
        """`silence` in seconds: without a word for so long the connection is tried, and given up after twice that."""
        self._link = link
        self._silence = silence
        self._prefix = f"{{{prefix}}}"
        self.process = process
        self._handlers: dict[str, Callable[[RelayMessage], None]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def start(self, serve: Callable[[FollowMessage], None]) -> None:
        """Begin to hear; `serve` is called with what followers elsewhere ask."""
        self._listener = asyncio.create_task(self._listen(serve), name="mailbox")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), 1.0)

    async def close(self) -> None:
        """Stop hearing."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener

    def register(self, follower: str, hearer: Callable[[RelayMessage], None]) -> None:
        """Have the replies to a follower handed to `hearer`."""
        self._handlers[follower] = hearer

    def unregister(self, follower: str) -> None:
        """Hand it no more."""
        self._handlers.pop(follower, None)

    async def request_events(self, message: FollowMessage, owner: str) -> bool:
        """Send a follower's wish to the flight's owner; False if nobody hears there. Raises RedisUnavailable."""
        return await self._publish(owner.partition(":")[0], message)

    async def owner_of(self, fingerprint: str) -> str | None:
        """Who holds the flight's lease now. Raises RedisUnavailable."""
        reply = await self._link.command("GET", f"{self._prefix}:flight:{fingerprint}")
        return reply.decode() if reply else None

    async def send_events(
        self,
        to: FollowMessage,
        index: int,
        events: list[bytes],
        *,
        head: AnswerHead | None = None,
        cost_nanos: int = 0,
    ) -> bool:
        """Send events, and the cost if it is known; False if nobody hears there any more. Raises RedisUnavailable."""
        message = RelayMessage(follower=to.follower, index=index, events=events, head=head, cost_nanos=cost_nanos)
        return await self._publish(to.process, message)

    async def send_end(self, to: FollowMessage, index: int, cost_nanos: int) -> None:
        """Say that there are no more events. Raises RedisUnavailable."""
        message = RelayMessage(follower=to.follower, index=index, ended=True, cost_nanos=cost_nanos)
        await self._publish(to.process, message)

    async def send_lost(self, to: FollowMessage) -> None:
        """Say that there is no such flight here."""
        with contextlib.suppress(RedisUnavailable):  # the follower's silence clock says the same
            await self._publish(to.process, RelayMessage(follower=to.follower, lost=True))

    async def send_error(self, to: FollowMessage, error: TidegateError) -> None:
        """Say how the answer failed."""
        with contextlib.suppress(RedisUnavailable):  # the follower's silence clock finds out
            await self._publish(to.process, RelayMessage(follower=to.follower, failed=error.pack()))

    async def _publish(self, process: str, message: FollowMessage | RelayMessage) -> bool:
        heard = await self._link.command("PUBLISH", self._channel(process), msgspec.msgpack.encode(message))
        return int(heard) > 0

    def _channel(self, process: str) -> str:
        return f"{self._prefix}:process:{process}"

    async def _listen(self, serve: Callable[[FollowMessage], None]) -> None:
        told = False
        while True:
            try:
                async with self._link.dedicated() as client, client.pubsub() as channel:
                    async with asyncio.timeout(self._silence):
                        await channel.subscribe(self._channel(self.process))
                    told = False
                    await self._receive(channel, serve)
            except RedisUnavailable as error:
                if not told:  # once an outage, and not five times a second
                    _log.warning("mailbox lost its connection", detail=error.message)
                told = True
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _receive(self, channel: Any, serve: Callable[[FollowMessage], None]) -> None:
        """Hand on what comes, for as long as it or the answer to a ping comes."""
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
            _log.exception("a message nobody understands")
            return
        if isinstance(message, FollowMessage):
            serve(message)
        elif hearer := self._handlers.get(message.follower):
            hearer(message)

"""The source of a flight whose upstream call is made by another process: its events arrive in the mailbox."""

import asyncio
import contextlib
from typing import Protocol

import msgspec

from tidegate.coalescing.flight import FlightSource
from tidegate.coalescing.mailbox import FollowMessage, Mailbox, RelayMessage
from tidegate.core.errors import FlightLost, RedisUnavailable, TidegateError, unpack_error
from tidegate.core.ids import new_id
from tidegate.core.values import AnswerHead
from tidegate.wire import sse
from tidegate.wire.answer_form import CallerEcho

_SILENCE_SECONDS = 1.0
"""After this silence the follower checks whether the owner is alive, and requests the events again."""
_MAX_OWNERS = 10
"""Owners that may die before a follower fails."""
_MAX_FAILED_CHECKS = 3
"""Checks in a row without Redis, after which the follower replaces the owner."""
_IDENTITY_FIELDS = (
    "id",
    "created",
    "created_at",
    "system_fingerprint",
    "obfuscation",
    "item_id",
    "response_id",
    "call_id",
)
"""Fields that differ between two answers with the same content."""


class Takeover(Protocol):
    """How a call continues when the owner of its flight has died."""

    async def take_over(self, head: AnswerHead | None) -> FlightSource | str:
        """Return another source, or the name of the flight's new owner. Raises TidegateError.

        `head` is how the answer began, None if it did not: a stream cannot become a whole body any more.
        """
        ...


class Follower:
    """Repeats another process's flight. Implements `FlightSource`.

    If the owner dies, `takeover` finds another source. The follower skips what the new source repeats of the events
    already delivered. If the new source differs from them, the answer cannot continue, and FlightLost is raised.
    """

    cost_nanos = 0
    is_over = False

    def __init__(self, mailbox: Mailbox, fingerprint: str, owner: str, *, takeover: Takeover) -> None:
        """`owner` is the name under which another process holds the flight's lease."""
        self._mailbox = mailbox
        self._fingerprint = fingerprint
        self._owner = owner
        self._takeover = takeover
        self._name = new_id("f")
        self._inbox: asyncio.Queue[RelayMessage] = asyncio.Queue()
        self._is_requested = False
        self._head: AnswerHead | None = None
        self._delivered_events: list[bytes] = []
        self._replacement: FlightSource | None = None
        self._replace_task: asyncio.Task[None] | None = None
        self._owners_left = _MAX_OWNERS
        self._failed_checks = 0

    async def open(self) -> AnswerHead:
        """Request the events, and wait until the answer begins. Raises TidegateError."""
        if not self._is_requested:
            self._mailbox.register(self._name, self._inbox.put_nowait)
            await self._request_events()
            self._is_requested = True
        while self._replacement is None:
            message = await self._next_message()
            if message is not None and message.head is not None:
                self._head = message.head
                return message.head
        return await self._replacement.open()

    async def more(self) -> list[bytes]:
        """Return the next events. Raises TidegateError."""
        while self._replacement is None:
            message = await self._next_message()
            if message is None:
                continue
            self.cost_nanos = message.cost_nanos  # the terminal event is sent after settlement
            if message.ended:
                self._mailbox.unregister(self._name)
                self.is_over = True
                return []
            if message.events:
                self._delivered_events += message.events
                return message.events
        events = await self._replacement.more()
        self.cost_nanos, self.is_over = self._replacement.cost_nanos, self._replacement.is_over
        return events

    async def leave(self) -> None:
        """Tell the upstream, if this process calls it now; `abandon` tells another owner."""
        if self._replacement is not None:
            await self._replacement.leave()

    async def abandon(self, error: TidegateError | None = None) -> None:
        """Stop, and tell the owner that this follower needs no more events."""
        self._mailbox.unregister(self._name)
        if self._replace_task is not None:
            self._replace_task.cancel()
            await asyncio.wait({self._replace_task})
        if self._replacement is not None:
            await self._replacement.abandon(error)
            return
        with contextlib.suppress(RedisUnavailable):  # the owner notices when it sends the next event
            await self._mailbox.request_events(self._message(wants=False), self._owner)

    def _message(self, *, wants: bool = True) -> FollowMessage:
        return FollowMessage(
            fingerprint=self._fingerprint,
            follower=self._name,
            process=self._mailbox.process,
            index=len(self._delivered_events),
            wants=wants,
        )

    async def _request_events(self) -> None:
        try:
            is_listening = await self._mailbox.request_events(self._message(), self._owner)
        except RedisUnavailable:
            return  # after the silence they are requested again
        if not is_listening:
            await self._check_owner()

    async def _next_message(self) -> RelayMessage | None:
        """Return the next message that continues the delivered events; None if something else was done instead."""
        if self._replace_task is not None:
            await self._replace_owner()
            return None
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                message = await self._inbox.get()
        except TimeoutError:
            await self._check_owner()
            return None
        if message.failed is not None:
            self._mailbox.unregister(self._name)
            raise unpack_error(message.failed)
        if message.lost:
            await self._replace_owner()
            return None
        if message.index > len(self._delivered_events):
            await self._request_events()
            return None
        # if both sides repeat themselves, a message may begin before the present position
        return msgspec.structs.replace(message, events=message.events[len(self._delivered_events) - message.index :])

    async def _check_owner(self) -> None:
        try:
            owner = await self._mailbox.owner_of(self._fingerprint)
            is_listening = owner == self._owner and await self._mailbox.request_events(self._message(), self._owner)
        except RedisUnavailable:
            self._failed_checks += 1
            if self._failed_checks >= _MAX_FAILED_CHECKS:
                await self._replace_owner()
            return
        self._failed_checks = 0
        if owner != self._owner:
            await asyncio.sleep(_SILENCE_SECONDS / 5)  # an owner releases its lease before it sends the end
            if self._inbox.empty():
                await self._replace_owner()
        elif not is_listening:
            await asyncio.sleep(_SILENCE_SECONDS / 5)  # dead or restarting: the lease will show it

    async def _replace_owner(self) -> None:
        # a separate task: a heartbeat that cancels the waiting must not cancel a call that has begun
        if self._replace_task is None:
            self._replace_task = asyncio.create_task(self._find_replacement(), name="follower-switch")
        try:
            await asyncio.shield(self._replace_task)
        finally:
            if self._replace_task.done():
                self._replace_task = None
        if self._replacement is None:
            await self._request_events()

    async def _find_replacement(self) -> None:
        self._failed_checks = 0
        successor = await self._takeover.take_over(self._head)
        if isinstance(successor, str):
            await self._change_owner(successor)
            return
        self._mailbox.unregister(self._name)
        self._replacement = (
            successor if self._head is None else await _resume(successor, self._head, self._delivered_events)
        )

    async def _change_owner(self, owner: str) -> None:
        if owner == self._owner:
            await asyncio.sleep(_SILENCE_SECONDS / 5)  # it has ended the flight, and its lease will follow
        else:
            self._owners_left -= 1
            if self._owners_left < 0:
                raise FlightLost
        self._owner = owner


async def _resume(source: FlightSource, head: AnswerHead, handed_on: list[bytes]) -> FlightSource:
    """Open a source and skip the delivered events. Raises FlightLost if it differs from them."""
    try:
        opened = await source.open()
        if opened.stream != head.stream:
            raise FlightLost
        rest = _ResumedSource(source, opened, CallerEcho(head.echo) if opened.echo != head.echo else None)
        for event in handed_on:
            if not await rest.repeats(event):
                raise FlightLost
    except (TidegateError, asyncio.CancelledError):
        await source.abandon()
        raise
    return rest


class _ResumedSource:
    """A source after its first events, with the caller's own values of the answer that it continues."""

    def __init__(self, source: FlightSource, head: AnswerHead, words: CallerEcho | None) -> None:
        self._source = source
        self._head = head
        self._caller_echo = words
        self._pending: list[bytes] = []

    @property
    def cost_nanos(self) -> int:
        return self._source.cost_nanos

    @property
    def is_over(self) -> bool:
        return self._source.is_over and not self._pending

    async def repeats(self, event: bytes) -> bool:
        """Read one event; return whether it has the same content as `event`."""
        if not self._pending:
            self._pending = await self.more()
        repeated, self._pending = self._pending[:1], self._pending[1:]
        return bool(repeated) and _same_content(repeated[0], event)

    async def open(self) -> AnswerHead:
        return self._head

    async def more(self) -> list[bytes]:
        pending, self._pending = self._pending, []
        return pending or [self._with_caller_echo(event) for event in await self._source.more()]

    async def leave(self) -> None:
        await self._source.leave()

    async def abandon(self, error: TidegateError | None = None) -> None:
        await self._source.abandon(error)

    def _with_caller_echo(self, event: bytes) -> bytes:
        if self._caller_echo is None:
            return event
        return (
            self._caller_echo.replace_in_event(event) if self._head.stream else self._caller_echo.replace_in_body(event)
        )


def _same_content(one: bytes, other: bytes) -> bool:
    return one == other or _content(one) == _content(other)


def _content(event: bytes) -> object:
    data = sse.data_of(event)
    try:
        return _without_identities(msgspec.json.decode(data or b"null"))
    except (msgspec.DecodeError, RecursionError):
        return event


def _without_identities(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_identities(item) for name, item in value.items() if name not in _IDENTITY_FIELDS}
    if isinstance(value, list):
        return [_without_identities(item) for item in value]
    return value

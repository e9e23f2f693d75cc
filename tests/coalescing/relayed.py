"""The two ends of a relay, played by a test: an owner that answers requests, and a process that follows."""

import asyncio

from tests.coalescing.scripted import HEAD
from tests.eventually import wait_until
from tidegate.coalescing.flight import FlightSource
from tidegate.coalescing.follower import Follower
from tidegate.coalescing.mailbox import FollowMessage, Mailbox
from tidegate.core.values import AnswerHead
from tidegate.storage.redis import RedisLink

FINGERPRINT = "f" * 40
"""The fingerprint of the call."""


class FakeOwner:
    """The process that owns the flight."""

    def __init__(self, link: RedisLink, prefix: str, name: str = "one") -> None:
        self.mailbox = Mailbox(link, prefix=prefix, process=name)
        self.messages: list[FollowMessage] = []

    async def start(self) -> None:
        """Begin to receive requests."""
        await self.mailbox.start(self.messages.append)

    async def message(self, number: int) -> FollowMessage:
        """Return request number `number`, when it is there."""
        await wait_until(lambda: len(self.messages) > number)
        return self.messages[number]

    async def send_head(self, to: FollowMessage, head: AnswerHead = HEAD) -> None:
        """Reply with the head of the answer."""
        assert await self.mailbox.send_events(to, 0, [], head=head)

    async def send_events(self, to: FollowMessage, index: int, events: list[bytes], cost: int = 0) -> None:
        """Reply with events."""
        assert await self.mailbox.send_events(to, index, events, cost_nanos=cost)


class FollowerProcess:
    """The process that follows, and the replacements it would find."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        self.link = link
        self.key = f"{{{prefix}}}:flight:{FINGERPRINT}"
        self.mailbox = Mailbox(link, prefix=prefix, process="two")
        self.heads: list[AnswerHead | None] = []
        """The head that each take-over received."""
        self.replacements: list[FlightSource | str | Exception] = []
        """What each take-over returns."""
        self.may_take_over = asyncio.Event()
        """While it is cleared, a take-over waits."""
        self.may_take_over.set()
        self.follower = Follower(self.mailbox, FINGERPRINT, "one:r1", takeover=self)

    async def start(self) -> None:
        """Give the owner a lease that lasts."""
        await self.mailbox.start(lambda _: None)
        await self.link.command("SET", self.key, "one:r1", "PX", 60_000)

    async def take_over(self, head: AnswerHead | None) -> FlightSource | str:
        """Return what the test has prepared. Implements `Takeover`."""
        self.heads.append(head)
        await self.may_take_over.wait()
        replacement = self.replacements.pop(0)
        if isinstance(replacement, Exception):
            raise replacement
        return replacement

"""The two ends of a relay, played by a test: an owner that answers wishes, and a process that follows."""

import asyncio

from tests.coalescing.scripted import HEAD
from tests.eventually import wait_until
from tidegate.coalescing.flight import FlightSource
from tidegate.coalescing.follower import Follower
from tidegate.coalescing.mailbox import FollowMessage, Mailbox
from tidegate.core.values import AnswerHead
from tidegate.storage.redis import RedisLink

FINGERPRINT = "f" * 40
"""The fingerprint of what is asked."""


class FakeOwner:
    """Another process, played by the test."""

    def __init__(self, link: RedisLink, prefix: str, name: str = "one") -> None:
        self.mailbox = Mailbox(link, prefix=prefix, process=name)
        self.messages: list[FollowMessage] = []

    async def start(self) -> None:
        """Begin to hear wishes."""
        await self.mailbox.start(self.messages.append)

    async def message(self, number: int) -> FollowMessage:
        """The follower's wish number `number`, waited for."""
        await wait_until(lambda: len(self.messages) > number)
        return self.messages[number]

    async def send_head(self, to: FollowMessage, head: AnswerHead = HEAD) -> None:
        """Answer a wish with how the answer begins."""
        assert await self.mailbox.send_events(to, 0, [], head=head)

    async def send_events(self, to: FollowMessage, index: int, said: list[bytes], cost: int = 0) -> None:
        """Answer a wish."""
        assert await self.mailbox.send_events(to, index, said, cost_nanos=cost)


class FollowerProcess:
    """The process that follows, and what it would go on with."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        self.link = link
        self.key = f"{{{prefix}}}:flight:{FINGERPRINT}"
        self.mailbox = Mailbox(link, prefix=prefix, process="two")
        self.heads: list[AnswerHead | None] = []
        """What each take-over was told of how the answer began."""
        self.replacements: list[FlightSource | str | Exception] = []
        """What each take-over finds."""
        self.may_take_over = asyncio.Event()
        """Cleared, finding takes its time."""
        self.may_take_over.set()
        self.follower = Follower(self.mailbox, FINGERPRINT, "one:r1", takeover=self)

    async def start(self) -> None:
        """The lease is the owner's, and stays."""
        await self.mailbox.start(lambda _: None)
        await self.link.command("SET", self.key, "one:r1", "PX", 60_000)

    async def take_over(self, head: AnswerHead | None) -> FlightSource | str:
        """Return what the test has prepared. Implements `Takeover`."""
        self.heads.append(head)
        await self.may_take_over.wait()
        found = self.replacements.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

"""The two ends of a relay, played by a test: an owner that answers wishes, and a process that follows."""

import asyncio

from tests.coalescing.scripted import HEAD
from tests.eventually import until
from tidegate.coalescing.flight import Source
from tidegate.coalescing.follower import Follower
from tidegate.coalescing.mailbox import FlightMessage, Mailbox
from tidegate.core.values import AnswerHead
from tidegate.storage.redis import RedisLink

PRINT = "f" * 40
"""The fingerprint of what is asked."""


class Owner:
    """Another process, played by the test."""

    def __init__(self, link: RedisLink, prefix: str, name: str = "one") -> None:
        self.mailbox = Mailbox(link, prefix=prefix, process=name)
        self.wishes: list[FlightMessage] = []

    async def start(self) -> None:
        """Begin to hear wishes."""
        await self.mailbox.start(self.wishes.append)

    async def wish(self, number: int) -> FlightMessage:
        """The follower's wish number `number`, waited for."""
        await until(lambda: len(self.wishes) > number)
        return self.wishes[number]

    async def begins(self, to: FlightMessage, head: AnswerHead = HEAD) -> None:
        """Answer a wish with how the answer begins."""
        assert await self.mailbox.tell_events(to, 0, [], head=head)

    async def says(self, to: FlightMessage, index: int, said: list[bytes], cost: int = 0) -> None:
        """Answer a wish."""
        assert await self.mailbox.tell_events(to, index, said, cost_nanos=cost)


class Following:
    """The process that follows, and what it would go on with."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        self.link = link
        self.key = f"{{{prefix}}}:flight:{PRINT}"
        self.mailbox = Mailbox(link, prefix=prefix, process="two")
        self.heads: list[AnswerHead | None] = []
        """What each `reopen` was told of how the answer began."""
        self.found: list[Source | str | Exception] = []
        """What each `reopen` finds."""
        self.finding = asyncio.Event()
        """Cleared, finding takes its time."""
        self.finding.set()
        self.follower = Follower(self.mailbox, PRINT, "one:r1", reopen=self._reopen)

    async def start(self) -> None:
        """The lease is the owner's, and stays."""
        await self.mailbox.start(lambda _: None)
        await self.link.command("SET", self.key, "one:r1", "PX", 60_000)

    async def _reopen(self, head: AnswerHead | None) -> Source | str:
        self.heads.append(head)
        await self.finding.wait()
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

"""How a process is connected to its replica's watch: here to one in the same process."""

import asyncio
from typing import Protocol

from tidegate.core.config.secret_reference import SecretReference
from tidegate.core.periodic import PeriodicTask
from tidegate.secrets.feed import SecretFeed
from tidegate.secrets.watch import ROUND_SECONDS, SecretWatch


class WatchLink(Protocol):
    """A connection to the replica's watch."""

    async def start(self, feed: SecretFeed) -> None:
        """Deliver to `feed` what the watch finds from now on."""
        ...

    async def close(self) -> None:
        """Deliver no more."""
        ...

    def ask(self, reference: SecretReference) -> None:
        """Have a secret read soon."""
        ...


class WatchHere:
    """The watch of a process that serves alone; its rounds run in a thread. Implements `WatchLink`."""

    def __init__(self, watch: SecretWatch) -> None:
        self._watch = watch
        self._feed: SecretFeed | None = None
        self._rounds = PeriodicTask("secrets", self._run_round, every=ROUND_SECONDS, wait_first=True)

    def __repr__(self) -> str:
        return f"<WatchHere: {self._watch}>"

    async def start(self, feed: SecretFeed) -> None:
        """Deliver to `feed` what the watch finds from now on."""
        self._feed = feed
        await self._rounds.start()

    async def close(self) -> None:
        """Stop the rounds."""
        await self._rounds.close()

    def ask(self, reference: SecretReference) -> None:
        """Have a secret read at once."""
        self._watch.force(reference)
        self._rounds.wake()

    async def _run_round(self) -> None:
        for report in await asyncio.to_thread(self._watch.run_round):
            if self._feed is not None:
                self._feed.take(report)

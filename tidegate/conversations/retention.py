"""Creates and drops the weekly partitions in a background task, which the gateway starts with each process."""

import asyncio
import contextlib

import structlog

from tidegate.conversations.storage.partitions import Partitions
from tidegate.core.clock import Clock, today
from tidegate.core.errors import StoreError

_log = structlog.get_logger("retention")


class RetentionTask:
    """A background task between `start` and `close`. Any number of processes may run one."""

    def __init__(self, partitions: Partitions, clock: Clock, *, every_seconds: float = 3600.0) -> None:
        """The first round begins at once, the next ones every `every_seconds`."""
        self._partitions = partitions
        self._clock = clock
        self._every = every_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the background; PostgreSQL need not be reachable yet."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def close(self) -> None:
        """Stop; a round in progress is rolled back."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def run_once(self) -> None:
        """Run one round. Raises PostgresUnavailable."""
        day = today(self._clock)
        await self._partitions.ensure(day)
        await self._partitions.drop_expired(day)
        await self._partitions.delete_empty_conversations(day)

    async def _run(self) -> None:
        while True:
            try:
                await self.run_once()
            except StoreError as error:
                _log.warning("retention waits for PostgreSQL", error=error.name, reason=error.message)
            await asyncio.sleep(self._every)

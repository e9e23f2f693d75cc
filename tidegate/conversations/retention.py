"""Keeps the partitions: makes those that will be needed, and drops what projects no longer keep."""

import asyncio
import contextlib

import structlog

from tidegate.conversations.storage.partitions import Partitions
from tidegate.core.clock import Clock, today
from tidegate.core.errors import StoreError

_log = structlog.get_logger("retention")


class RetentionTask:
    """A background task between `start` and `close`. Any number of processes may each have one."""

    def __init__(self, partitions: Partitions, clock: Clock, *, every_seconds: float = 3600.0) -> None:
        """It looks at the start, and then every `every_seconds`."""
        self._partitions = partitions
        self._clock = clock
        self._every = every_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the background; PostgreSQL need not be there yet."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def close(self) -> None:
        """Stop; what is half done is undone."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def run_once(self) -> None:
        """Look once. Raises PostgresUnavailable."""
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

"""Creates and drops the weekly partitions in a background task, which the gateway starts with each process."""

from tidegate.conversations.storage.partitions import Partitions
from tidegate.core.clock import Clock, today
from tidegate.core.periodic import PeriodicTask


class RetentionTask:
    """A background task between `start` and `close`. Any number of processes may run one."""

    def __init__(self, partitions: Partitions, clock: Clock, *, every_seconds: float = 3600.0) -> None:
        """The first round begins at once, the next ones every `every_seconds`."""
        self._partitions = partitions
        self._clock = clock
        self._task = PeriodicTask("retention", self.run_once, every=every_seconds)

    async def start(self) -> None:
        """Begin, in the background; PostgreSQL need not be reachable yet."""
        await self._task.start()

    async def close(self) -> None:
        """Stop; a round in progress is rolled back."""
        await self._task.close()

    async def run_once(self) -> None:
        """Run one round. Raises PostgresUnavailable."""
        day = today(self._clock)
        await self._partitions.ensure(day)
        await self._partitions.drop_expired(day)
        await self._partitions.delete_empty_conversations(day)

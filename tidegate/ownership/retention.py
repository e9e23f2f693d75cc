"""Shortens the records of objects, in a background task that the gateway starts with each process."""

from tidegate.core.clock import Clock
from tidegate.core.periodic import PeriodicTask
from tidegate.storage.postgres import Postgres, queries

GONE_DAYS = 30
"""For how long a record outlives its object: pages of lists may begin there."""
_DAY_SECONDS = 86_400.0
_BATCH_SIZE = 1000


class ObjectRetention:
    """A background task between `start` and `close`. Any number of processes may run one.

    It deletes no object at an upstream, and no record of an object that exists: that would open the object to others.
    """

    def __init__(self, postgres: Postgres, clock: Clock, *, every_seconds: float = 3600.0) -> None:
        """The first round begins at once, the next ones every `every_seconds`."""
        self._postgres = postgres
        self._clock = clock
        self._sql = queries("owned_objects")
        self._task = PeriodicTask("object-retention", self.run_once, every=every_seconds)

    async def start(self) -> None:
        """Begin, in the background; PostgreSQL need not be reachable yet."""
        await self._task.start()

    async def close(self) -> None:
        """Stop; a batch in progress is rolled back."""
        await self._task.close()

    async def run_once(self) -> None:
        """Delete the records of what is gone, and drop names older than the projects' retention.

        Raises PostgresUnavailable.
        """
        now = self._clock.now()
        await self._in_batches("delete_gone", now - GONE_DAYS * _DAY_SECONDS)
        await self._in_batches("drop_names", now)

    async def _in_batches(self, statement: str, moment: float) -> None:
        async with self._postgres.connection() as connection:
            while await connection.execute(self._sql[statement], moment, _BATCH_SIZE) not in ("DELETE 0", "UPDATE 0"):
                pass

"""What all stores of conversations have at hand."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import TypeVar

from tidegate.connections.postgres import Connection, Postgres, queries
from tidegate.connections.project_rows import ProjectRows
from tidegate.conversations.laying import Laid, Place
from tidegate.conversations.part_store import PartStore
from tidegate.conversations.partitions import Partitions
from tidegate.core.clock import Clock
from tidegate.core.errors import PartitionMissing

_Result = TypeVar("_Result")


class Archive:
    """Transactions of a project, large parts, and the day that it is."""

    def __init__(self, postgres: Postgres, clock: Clock) -> None:
        """`postgres` is shared with others."""
        self.rows = ProjectRows(postgres)
        self.parts = PartStore()
        self._partitions = Partitions(postgres)
        self._clock = clock
        self._sql = queries("items")

    def now(self) -> float:
        """Unix seconds."""
        return self._clock.now()

    def today(self) -> date:
        """The day, UTC."""
        return datetime.fromtimestamp(self._clock.now(), UTC).date()

    async def written(self, write: Callable[[], Awaitable[_Result]]) -> _Result:
        """What `write` gives; where the partition for its rows is missing it is made, and `write` tried once more."""
        try:
            return await write()
        except PartitionMissing:
            await self._partitions.ensure(self.today())
            return await write()

    async def write(  # what all items of a turn have in common
        self,
        connection: Connection,
        project: str,
        laid: Laid,
        place: Place,
        *,
        response_id: str | None = None,
        end_user: str | None = None,
    ) -> None:
        """Write items into their place."""
        await self.parts.keep(connection, project, laid.contents, laid.parts, place.expires_on)
        if not laid.count:
            return
        await connection.execute(
            self._sql["write"],
            project,
            place.conversation,
            laid.rows,
            place.before,
            place.expires_on,
            response_id,
            self.now(),
            end_user,
        )

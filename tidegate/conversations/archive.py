"""What all stores of conversations have at hand."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, timedelta
from typing import Any, Literal, TypeVar

from tidegate.connections.postgres import Connection, Postgres, queries
from tidegate.connections.project_rows import ProjectRows
from tidegate.conversations.documents import MOST_HISTORY_BYTES, Item
from tidegate.conversations.laying import Laid, Place, begun, items_of
from tidegate.conversations.part_store import PartStore
from tidegate.conversations.partitions import Partitions
from tidegate.core.clock import Clock, today
from tidegate.core.errors import HistoryTooLarge, PartitionMissing

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
        return today(self._clock)

    async def written(self, write: Callable[[], Awaitable[_Result]]) -> _Result:
        """What `write` gives; where the partition for its rows is missing it is made, and `write` tried once more."""
        try:
            return await write()
        except PartitionMissing:
            await self._partitions.ensure(self.today())
            return await write()

    async def said(
        self,
        connection: Connection,
        project: str,
        heads: Iterable[Any],
        *,
        asked_by: Literal["conversation", "previous_response_id"],
    ) -> tuple[Item, ...]:
        """All items of these conversations, whole and in order. Raises HistoryTooLarge."""
        items: list[Item] = []
        for head in heads:
            if head["history_size"] > MOST_HISTORY_BYTES:
                raise HistoryTooLarge(param=asked_by)
            since = max(head["first_expires"], self.today() + timedelta(days=1))
            rows = await connection.fetch(
                self._sql["said"], project, head["id"], head["upto"], since, head["last_expires"]
            )
            items += items_of(rows, await self.parts.read(connection, project, rows))
            if since > head["first_expires"] and len(items) == len(rows):
                items = list(begun(items))
        return tuple(items)

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

"""The parts that all stores of conversations share."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, timedelta
from typing import Any, Literal, TypeVar

from tidegate.conversations.documents.items import SENT_WITHOUT_ID, encoded_upstream_items
from tidegate.conversations.documents.records import MAX_HISTORY_BYTES
from tidegate.conversations.storage.packing import decode_parts, unpack_row
from tidegate.conversations.storage.partitions import Partitions
from tidegate.conversations.storage.parts import PartStore
from tidegate.conversations.storage.rows import InsertPosition, ItemRows, without_orphaned_outputs
from tidegate.core.clock import Clock, today
from tidegate.core.errors import HistoryTooLarge, PartitionMissing
from tidegate.storage.postgres import Connection, Postgres, queries
from tidegate.storage.row_security import ProjectTransactions

_Result = TypeVar("_Result")
_DELETE_BATCH_SIZE = 1000
_LINE_SEPARATOR = b",\n"
"""The separator between the lines of the query `item_lines`. PostgreSQL's JSON has no line feeds within values."""


class StoreBase:
    """Transactions of a project, large parts, and the current day."""

    def __init__(self, postgres: Postgres, clock: Clock) -> None:
        """`postgres` is shared with other stores."""
        self.rows = ProjectTransactions(postgres)
        self.parts = PartStore()
        self._partitions = Partitions(postgres)
        self._clock = clock
        self._sql = queries("items")

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return self._clock.now()

    def today(self) -> date:
        """Return the day in UTC."""
        return today(self._clock)

    async def write_with_partition(self, write: Callable[[], Awaitable[_Result]]) -> _Result:
        """Return the result of `write`; if a partition is missing, create it and try once more."""
        try:
            return await write()
        except PartitionMissing:
            await self._partitions.ensure(self.today())
            return await write()

    async def load_items(
        self,
        connection: Connection,
        project: str,
        heads: Iterable[Any],
        *,
        param: Literal["conversation", "previous_response_id"],
    ) -> tuple[bytes, ...]:
        """Return all items of these conversations, as `History` has them. Raises HistoryTooLarge."""
        items: list[bytes] = []
        for head in heads:
            if head["history_size"] > MAX_HISTORY_BYTES:
                raise HistoryTooLarge(param=param)
            since = max(head["first_expires"], self.today() + timedelta(days=1))
            lines = await self._item_lines(connection, project, head, since)
            if since > head["first_expires"] and not items:
                lines = without_orphaned_outputs(lines)
            items += lines
        return tuple(items)

    async def _item_lines(self, connection: Connection, project: str, head: Any, since: date) -> list[bytes]:
        """Return the items of one conversation, in one piece if it has only messages."""
        name, until = head["id"], head["last_expires"]
        kinds = list(SENT_WITHOUT_ID)
        row = await connection.fetchrow(self._sql["item_lines"], project, name, head["upto"], since, until, kinds)
        if row is None or row["lines"] is None:
            return []
        if row["others"] is None:
            return [row["lines"]]
        rows = await connection.fetch(self._sql["others"], project, name, row["others"], since, until)
        contents = await self.parts.read(connection, project, rows)
        other_items = {item_row["seq"]: encoded_upstream_items(unpack_row(item_row, contents)) for item_row in rows}
        numbers = iter(row["others"])
        lines: list[bytes] = []
        for line in row["lines"].split(_LINE_SEPARATOR):
            lines += [line] if line != b"null" else other_items.get(next(numbers), ())
        return lines

    async def insert_items(  # what all items of a turn have in common
        self,
        connection: Connection,
        project: str,
        item_rows: ItemRows,
        position: InsertPosition,
        *,
        response_id: str | None = None,
        end_user: str | None = None,
    ) -> None:
        """Insert items at their position."""
        await self.parts.save(connection, project, item_rows.contents, item_rows.parts, position.expires_on)
        if not item_rows.count:
            return
        await connection.execute(
            self._sql["write"],
            project,
            position.conversation,
            item_rows.rows,
            position.last_number,
            position.expires_on,
            response_id,
            self.now(),
            end_user,
        )

    async def delete_unreachable(self, connection: Connection, project: str, conversation: str) -> str | None:
        """Delete items that are unreachable now that a response or a name is deleted, in batches.

        Returns the conversation to continue with in another transaction, or None at the end.
        """
        head = await connection.fetchrow(self._sql["unnamed_conversation"], project, conversation)
        if head is None:
            return None
        needed = await connection.fetchval(self._sql["last_needed"], project, conversation)
        end = max(needed or 0, head["last_seq"] - _DELETE_BATCH_SIZE)
        deleted_rows = await connection.fetch(self._sql["delete_after"], project, conversation, end)
        await self.release_parts(connection, project, deleted_rows)
        if needed is None and end == 0:
            parent: str | None = await connection.fetchval(self._sql["drop"], project, conversation)
            return parent
        deleted_bytes = sum(row["size"] for row in deleted_rows if not row["removed"])
        await connection.execute(self._sql["set_last_item"], project, conversation, end, deleted_bytes)
        return conversation if end > (needed or 0) else None

    async def release_parts(self, connection: Connection, project: str, rows: Iterable[Any]) -> None:
        """Subtract one use of the large parts of deleted rows."""
        await self.parts.release(connection, project, [(decode_parts(row["parts"]), row["expires_on"]) for row in rows])

    async def delete_remaining_unreachable(self, project: str, conversation: str | None) -> None:
        """Go on deleting from a conversation that `delete_unreachable` returned."""
        while conversation is not None:
            async with self.rows.transaction(project) as connection:
                conversation = await self.delete_unreachable(connection, project, conversation)

"""What all stores of conversations have at hand."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, timedelta
from typing import Any, Literal, TypeVar

from tidegate.conversations.documents.items import NAMELESS_UPSTREAM, kept_for_upstream
from tidegate.conversations.documents.records import MOST_HISTORY_BYTES
from tidegate.conversations.storage.packing import document_of, parts_of
from tidegate.conversations.storage.partitions import Partitions
from tidegate.conversations.storage.parts import PartStore
from tidegate.conversations.storage.rows import Laid, Place, begun
from tidegate.core.clock import Clock, today
from tidegate.core.errors import HistoryTooLarge, PartitionMissing
from tidegate.storage.postgres import Connection, Postgres, queries
from tidegate.storage.row_security import ProjectRows

_Result = TypeVar("_Result")
_CUT_AT_ONCE = 1000
_BETWEEN = b",\n"
"""Between the lines of the query `said`; a line feed within JSON as PostgreSQL writes it is an escape."""


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
    ) -> tuple[bytes, ...]:
        """All items of these conversations, as `Past` has them. Raises HistoryTooLarge."""
        said: list[bytes] = []
        for head in heads:
            if head["history_size"] > MOST_HISTORY_BYTES:
                raise HistoryTooLarge(param=asked_by)
            since = max(head["first_expires"], self.today() + timedelta(days=1))
            lines = await self._lines(connection, project, head, since)
            if since > head["first_expires"] and not said:
                lines = begun(lines)
            said += lines
        return tuple(said)

    async def _lines(self, connection: Connection, project: str, head: Any, since: date) -> list[bytes]:
        """The items of one conversation; in the one piece in which they come, where only messages were said."""
        name, until = head["id"], head["last_expires"]
        kinds = list(NAMELESS_UPSTREAM)
        row = await connection.fetchrow(self._sql["said"], project, name, head["upto"], since, until, kinds)
        if row is None or row["lines"] is None:
            return []
        if row["others"] is None:
            return [row["lines"]]
        rows = await connection.fetch(self._sql["others"], project, name, row["others"], since, until)
        contents = await self.parts.read(connection, project, rows)
        others = {other["seq"]: kept_for_upstream(document_of(other, contents)) for other in rows}
        numbers = iter(row["others"])
        lines: list[bytes] = []
        for line in row["lines"].split(_BETWEEN):
            lines += [line] if line != b"null" else others.get(next(numbers), ())
        return lines

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

    async def cut(self, connection: Connection, project: str, conversation: str) -> str | None:
        """Delete what nobody can see any more, nor goes on from, now that a response or a name is deleted.

        Not very much at a time: the conversation to go on with in another transaction, None at the end.
        """
        head = await connection.fetchrow(self._sql["nameless"], project, conversation)
        if head is None:
            return None
        needed = await connection.fetchval(self._sql["last_needed"], project, conversation)
        end = max(needed or 0, head["last_seq"] - _CUT_AT_ONCE)
        gone = await connection.fetch(self._sql["cut"], project, conversation, end)
        await self.release(connection, project, gone)
        if needed is None and end == 0:
            parent: str | None = await connection.fetchval(self._sql["drop"], project, conversation)
            return parent
        bytes_gone = sum(row["size"] for row in gone if not row["removed"])
        await connection.execute(self._sql["shorten"], project, conversation, end, bytes_gone)
        return conversation if end > (needed or 0) else None

    async def release(self, connection: Connection, project: str, rows: Iterable[Any]) -> None:
        """The large parts of deleted rows are used once less."""
        await self.parts.release(connection, project, [(parts_of(row["parts"]), row["expires_on"]) for row in rows])

    async def cut_rest(self, project: str, conversation: str | None) -> None:
        """Go on to cut, from a conversation that `cut` gave."""
        while conversation is not None:
            async with self.rows.transaction(project) as connection:
                conversation = await self.cut(connection, project, conversation)

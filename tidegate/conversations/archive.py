"""What all stores of conversations have at hand."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, timedelta
from typing import Any, Literal, TypeVar

from tidegate.connections.postgres import Connection, Postgres, queries
from tidegate.connections.project_rows import ProjectRows
from tidegate.conversations.documents import MOST_HISTORY_BYTES
from tidegate.conversations.items import NAMELESS_UPSTREAM, kept_for_upstream
from tidegate.conversations.laying import Laid, Place, begun
from tidegate.conversations.packing import document_of, parts_of
from tidegate.conversations.part_store import PartStore
from tidegate.conversations.partitions import Partitions
from tidegate.core.clock import Clock, today
from tidegate.core.errors import HistoryTooLarge, PartitionMissing

_Result = TypeVar("_Result")
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

    async def cut(self, connection: Connection, project: str, conversation: str, deleted: str | None = None) -> None:
        """Delete what nobody can see any more, nor goes on from, now that a response was `deleted`, or a name."""
        gone = await connection.fetch(self._sql["hidden"], project, conversation, deleted)
        end: str | None = conversation
        while end is not None and await connection.fetchval(self._sql["nameless"], project, end):
            needed = await connection.fetchval(self._sql["last_needed"], project, end)
            cut = await connection.fetch(self._sql["cut"], project, end, needed or 0)
            gone += cut
            if needed is None:
                end = await connection.fetchval(self._sql["drop"], project, end)
            else:
                bytes_gone = sum(row["size"] for row in cut if not row["removed"])
                await connection.execute(self._sql["shorten"], project, end, needed, bytes_gone)
                end = None
        await self.parts.release(connection, project, [(parts_of(row["parts"]), row["expires_on"]) for row in gone])

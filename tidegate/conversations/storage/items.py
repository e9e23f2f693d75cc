"""Items by their ids, wherever they were said."""

from collections.abc import Sequence

from tidegate.conversations.documents.records import Item
from tidegate.conversations.storage.rows import items_of
from tidegate.conversations.storage.store_base import Archive
from tidegate.storage.postgres import queries

MOST_AT_ONCE = 1000


class ItemStore:
    """The items of a project. Raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, archive: Archive) -> None:
        """`archive` is shared with the other stores."""
        self._archive = archive
        self._sql = queries("named_items")

    async def named(self, project: str, ids: Sequence[str]) -> tuple[Item, ...]:
        """Those of these ids that there are, whole, in no order."""
        async with self._archive.rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["named"], project, list(ids[:MOST_AT_ONCE]), self._archive.today())
            contents = await self._archive.parts.read(connection, project, rows)
        return items_of(rows, contents)

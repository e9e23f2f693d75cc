"""Items by their ids, wherever they were said."""

from collections.abc import Sequence

from tidegate.conversations.documents.records import ConversationItem
from tidegate.conversations.storage.rows import items_of
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.storage.postgres import queries

MAX_REFERENCES = 1000


class ItemStore:
    """The items of a project. Raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, base: StoreBase) -> None:
        """`archive` is shared with the other stores."""
        self._base = base
        self._sql = queries("named_items")

    async def find(self, project: str, ids: Sequence[str]) -> tuple[ConversationItem, ...]:
        """Those of these ids that there are, whole, in no order."""
        async with self._base.rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["named"], project, list(ids[:MAX_REFERENCES]), self._base.today())
            contents = await self._base.parts.read(connection, project, rows)
        return items_of(rows, contents)

"""Finds items by their ids in all conversations of a project."""

from collections.abc import Sequence

from tidegate.conversations.documents.records import ConversationItem
from tidegate.conversations.storage.rows import items_of
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.storage.postgres import queries

MAX_REFERENCES = 1000


class ItemStore:
    """The items of a project. Raises PostgresUnavailable if PostgreSQL does not answer."""

    def __init__(self, base: StoreBase) -> None:
        """`base` is shared with the other stores."""
        self._base = base
        self._sql = queries("named_items")

    async def find(self, project: str, ids: Sequence[str]) -> tuple[ConversationItem, ...]:
        """Return the items with these ids that exist, whole, in no order."""
        async with self._base.rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["named"], project, list(ids[:MAX_REFERENCES]), self._base.today())
            contents = await self._base.parts.read(connection, project, rows)
        return items_of(rows, contents)

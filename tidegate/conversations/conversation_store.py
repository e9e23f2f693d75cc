"""Conversations by their names, and their items."""

from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from tidegate.connections.postgres import Connection, queries
from tidegate.conversations.archive import Archive
from tidegate.conversations.documents import (
    MOST_ITEMS_AT_ONCE,
    Conversation,
    Item,
    Page,
    PageAsk,
    Past,
    metadata_of,
)
from tidegate.conversations.laying import Laid, Place, freed_of, items_of, lay, metadata_column
from tidegate.core.errors import ConversationBusy, ConversationNotFound, ItemNotFound, TooManyItems


class ConversationStore:
    """Conversations of a project. Every method raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, archive: Archive) -> None:
        """`archive` is shared with the other stores."""
        self._archive = archive
        self._sql = queries("conversations")

    async def create(self, project: str, conversation: Conversation, items: Sequence[Item] = ()) -> None:
        """Begin a conversation. Raises TooManyItems, ItemTooLarge and NotStorable."""
        laid = _few(items)
        metadata, day = metadata_column(conversation.metadata), self._archive.today()

        async def write() -> None:
            async with self._archive.rows.transaction(project) as connection:
                row = await connection.fetchrow(
                    self._sql["create"],
                    project,
                    conversation.id,
                    conversation.created_at,
                    metadata,
                    day,
                    laid.count,
                    laid.size,
                )
                await self._archive.write(connection, project, laid, Place.of(row))

        await self._archive.written(write)

    async def get(self, project: str, conversation_id: str) -> Conversation:
        """One conversation. Raises ConversationNotFound."""
        async with self._archive.rows.transaction(project) as connection:
            return _conversation(await connection.fetchrow(self._sql["get"], project, conversation_id), conversation_id)

    async def update(self, project: str, conversation_id: str, metadata: dict[str, str]) -> Conversation:
        """Give it other metadata. Raises ConversationNotFound."""
        async with self._archive.rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["update"], project, conversation_id, metadata_column(metadata))
            return _conversation(row, conversation_id)

    async def delete(self, project: str, conversation_id: str) -> None:
        """Take its name away; its items stay where responses have them. Raises ConversationNotFound."""
        async with self._archive.rows.transaction(project) as connection:
            if await connection.fetchval(self._sql["delete"], project, conversation_id, self._archive.now()) is None:
                raise _missing(conversation_id)

    async def turn(self, project: str, conversation_id: str) -> Past:
        """All that was said in it, whole, and its version.

        Raises ConversationNotFound, ConversationBusy and HistoryTooLarge.
        """
        async with self._archive.rows.transaction(project) as connection:
            head = await connection.fetchrow(self._sql["head"], project, conversation_id)
            if head is None:
                raise _missing(conversation_id)
            if head["busy_with"] is not None:
                raise ConversationBusy(f"The response {head['busy_with']} is being made in this conversation.")
            said = await self._archive.said(connection, project, [head], asked_by="conversation")
        return Past(said=said, version=head["version"])

    async def items(self, project: str, conversation_id: str, ask: PageAsk) -> Page[Item]:
        """A part of its items. Raises ConversationNotFound, and ItemNotFound where `ask.after` is none of them."""
        async with self._archive.rows.transaction(project) as connection:
            rows = await connection.fetch(
                self._sql["items_down" if ask.descending else "items_up"],
                project,
                conversation_id,
                ask.after,
                ask.limit + 1,
                self._archive.today(),
            )
            if not rows:
                await self._explain(connection, project, conversation_id, ask.after)
            shown = rows[: ask.limit]
            contents = await self._archive.parts.read(connection, project, shown, large=ask.large)
        return Page(items=items_of(shown, contents), has_more=len(rows) > ask.limit)

    async def add_items(self, project: str, conversation_id: str, items: Sequence[Item]) -> None:
        """Add at its end. Raises ConversationNotFound, ConversationBusy, TooManyItems, ItemTooLarge and NotStorable."""
        laid, day = _few(items), self._archive.today()

        async def write() -> None:
            async with self._archive.rows.transaction(project) as connection:
                row = await connection.fetchrow(
                    self._sql["place"], project, conversation_id, laid.count, laid.size, day
                )
                if row is None:
                    await self._refuse(connection, project, conversation_id)
                await self._archive.write(connection, project, laid, Place.of(row))

        await self._archive.written(write)

    async def get_item(self, project: str, conversation_id: str, item_id: str, *, large: bool = False) -> Item:
        """One item. Raises ConversationNotFound and ItemNotFound."""
        async with self._archive.rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["item"], project, conversation_id, item_id, self._archive.today())
            if not rows:
                await self._explain(connection, project, conversation_id, item_id)
            contents = await self._archive.parts.read(connection, project, rows, large=large)
        return items_of(rows, contents)[0]

    async def delete_item(self, project: str, conversation_id: str, item_id: str) -> Conversation:
        """Take an item out. Raises ConversationNotFound, ItemNotFound and ConversationBusy."""
        async with self._archive.rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["remove_item"], project, conversation_id, item_id)
            if row is None:
                await self._explain(connection, project, conversation_id, item_id)
                await self._refuse(connection, project, conversation_id)
            await self._archive.parts.release(connection, project, freed_of(row["freed"]))
        return _conversation(row, conversation_id)

    async def _explain(self, connection: Connection, project: str, conversation_id: str, item_id: str | None) -> None:
        """Raise why nothing was found, where that is no answer in itself."""
        if await connection.fetchrow(self._sql["get"], project, conversation_id) is None:
            raise _missing(conversation_id)
        day = self._archive.today()
        if item_id is not None and not await connection.fetch(
            self._sql["item"], project, conversation_id, item_id, day
        ):
            raise ItemNotFound(f"There is no item {item_id} in the conversation {conversation_id}.")

    async def _refuse(self, connection: Connection, project: str, conversation_id: str) -> NoReturn:
        if await connection.fetchrow(self._sql["get"], project, conversation_id) is None:
            raise _missing(conversation_id)
        raise ConversationBusy


def _few(items: Sequence[Item]) -> Laid:
    if len(items) > MOST_ITEMS_AT_ONCE:
        expected = f"Expected an array with maximum length {MOST_ITEMS_AT_ONCE}"
        given = f"got an array with length {len(items)} instead"
        raise TooManyItems(f"Invalid 'items': array too long. {expected}, but {given}.", param="items")
    return lay(items)


def _conversation(row: Any, conversation_id: str) -> Conversation:
    if row is None:
        raise _missing(conversation_id)
    metadata = metadata_of(msgspec.json.decode(row["metadata"]))
    return Conversation(id=row["id"], created_at=row["created_at"], metadata=metadata)


def _missing(conversation_id: str) -> ConversationNotFound:
    return ConversationNotFound(f"Conversation with id '{conversation_id}' not found.")

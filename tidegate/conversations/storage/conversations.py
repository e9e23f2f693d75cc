"""Conversations by their names, and their items."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from tidegate.conversations.documents.records import (
    MOST_ITEMS_AT_ONCE,
    Conversation,
    Item,
    Page,
    PageAsk,
    Past,
    metadata_of,
)
from tidegate.conversations.storage.leases import LEASE_SECONDS, Hold, Lease, unrenewed
from tidegate.conversations.storage.rows import Laid, Place, freed_of, items_of, lay, metadata_column
from tidegate.conversations.storage.store_base import Archive
from tidegate.core.errors import ConversationBusy, ConversationNotFound, ItemNotFound, StoreError, TooManyItems
from tidegate.storage.postgres import Connection, queries

_GIVE_BACK_SECONDS = 0.5
"""A caller waits for it to be told what went wrong."""


class ConversationStore:
    """Conversations of a project. Every method raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, archive: Archive, hold: Hold = unrenewed, *, lease_seconds: float = LEASE_SECONDS) -> None:
        """`archive` is shared with the other stores; `hold` renews leases."""
        self._archive = archive
        self._hold = hold
        self._lease_seconds = lease_seconds
        self._sql = queries("conversations")
        self._of_leases = queries("leases")

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
        """Take its name away; its items stay as long as a response needs them. Raises ConversationNotFound."""
        async with self._archive.rows.transaction(project) as connection:
            if await connection.fetchval(self._sql["delete"], project, conversation_id, self._archive.now()) is None:
                raise _missing(conversation_id)
            rest = await self._archive.cut(connection, project, conversation_id)
        await self._archive.cut_rest(project, rest)

    async def past(self, project: str, conversation_id: str) -> Past:
        """All that was said in it, whole, and its version.

        Raises ConversationNotFound, ConversationBusy and HistoryTooLarge.
        """
        async with self._archive.rows.transaction(project) as connection:
            head = await self._head(connection, project, conversation_id)
            said = await self._archive.said(connection, project, [head], asked_by="conversation")
        return Past(said=said, version=head["version"])

    async def turn(self, project: str, conversation_id: str, response_id: str) -> Past:
        """The same for a response that is now made in it: until that is saved, or the lease has ended, no other is.

        Raises ConversationNotFound, ConversationBusy and HistoryTooLarge.
        """
        lease = Lease(project=project, conversation=conversation_id, response=response_id)
        taken = project, conversation_id, response_id, self._lease_seconds
        # a lease that PostgreSQL forgets as it dies is no loss
        async with self._archive.rows.transaction(project, durable=False) as connection:
            head = await connection.fetchrow(self._of_leases["take"], *taken)
            if head is None:
                await self._refuse(connection, project, conversation_id)
            said = await self._archive.said(connection, project, [head], asked_by="conversation")
        return Past(said=said, version=head["version"], lease=self._hold(lease))

    async def give_back(self, lease: Lease) -> None:
        """The response is not made: others may take their turn. Where this fails, they may when the lease has ended."""
        with contextlib.suppress(StoreError, TimeoutError):
            async with (
                asyncio.timeout(_GIVE_BACK_SECONDS),
                self._archive.rows.transaction(lease.project, durable=False) as connection,
            ):
                await connection.execute(
                    self._of_leases["give_back"], lease.project, lease.conversation, lease.response
                )

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
        head = await self._head(connection, project, conversation_id)
        raise ConversationBusy(retry_after=head["leased_for"])

    async def _head(self, connection: Connection, project: str, conversation_id: str) -> Any:
        """What is known of it. Raises ConversationNotFound, and ConversationBusy where a job makes a response in it."""
        head = await connection.fetchrow(self._sql["head"], project, conversation_id)
        if head is None:
            raise _missing(conversation_id)
        if head["busy_with"] is not None:
            raise ConversationBusy(f"The response {head['busy_with']} is being made in this conversation.")
        return head


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

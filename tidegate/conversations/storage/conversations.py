"""The stores of conversations and of single items. Used by the history loader and the conversations routes."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from tidegate.conversations.documents.records import (
    MAX_ITEMS_PER_REQUEST,
    Conversation,
    ConversationItem,
    History,
    PageRequest,
    RecordPage,
    metadata_of,
)
from tidegate.conversations.storage.leases import LEASE_SECONDS, Lease, RenewLease, without_renewal
from tidegate.conversations.storage.rows import (
    InsertPosition,
    ItemRows,
    items_of,
    metadata_column,
    released_parts,
    to_rows,
)
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.errors import ConversationLocked, ConversationNotFound, ItemNotFound, StoreError, TooManyItems
from tidegate.storage.postgres import Connection, queries

MAX_REFERENCES = 1000
"""The most items that one request may refer to; further references count as unknown items."""
_RELEASE_SECONDS = 0.5
"""The most seconds for releasing a lease: a caller waits meanwhile for the error of its call."""


class ConversationStore:
    """Conversations of a project. Every method raises PostgresUnavailable if PostgreSQL does not answer."""

    def __init__(
        self, base: StoreBase, renew_lease: RenewLease = without_renewal, *, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        """`base` is shared with the other stores; `renew_lease` registers a lease for renewal."""
        self._base = base
        self._renew_lease = renew_lease
        self._lease_seconds = lease_seconds
        self._sql = queries("conversations")
        self._lease_sql = queries("leases")

    async def create(self, project: str, conversation: Conversation, items: Sequence[ConversationItem] = ()) -> None:
        """Create a conversation. Raises TooManyItems, ItemTooLarge and NotStorable."""
        item_rows = _checked_rows(items)
        metadata, day = metadata_column(conversation.metadata), self._base.today()

        async def write() -> None:
            async with self._base.rows.transaction(project) as connection:
                row = await connection.fetchrow(
                    self._sql["create"],
                    project,
                    conversation.id,
                    conversation.created_at,
                    metadata,
                    day,
                    item_rows.count,
                    item_rows.size,
                )
                await self._base.insert_items(connection, project, item_rows, InsertPosition.from_row(row))

        await self._base.write_with_partition(write)

    async def get(self, project: str, conversation_id: str) -> Conversation:
        """Return one conversation. Raises ConversationNotFound."""
        async with self._base.rows.transaction(project) as connection:
            return _conversation(await connection.fetchrow(self._sql["get"], project, conversation_id), conversation_id)

    async def update(self, project: str, conversation_id: str, metadata: dict[str, str]) -> Conversation:
        """Replace its metadata. Raises ConversationNotFound."""
        async with self._base.rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["update"], project, conversation_id, metadata_column(metadata))
            return _conversation(row, conversation_id)

    async def delete(self, project: str, conversation_id: str) -> None:
        """Delete its name; its items stay as long as a response needs them. Raises ConversationNotFound."""
        async with self._base.rows.transaction(project) as connection:
            if await connection.fetchval(self._sql["delete"], project, conversation_id, self._base.now()) is None:
                raise _not_found(conversation_id)
            rest = await self._base.delete_unreachable(connection, project, conversation_id)
        await self._base.delete_remaining_unreachable(project, rest)

    async def history(self, project: str, conversation_id: str) -> History:
        """Return its whole history and its version.

        Raises ConversationNotFound, ConversationLocked and HistoryTooLarge.
        """
        async with self._base.rows.transaction(project) as connection:
            head = await self._head(connection, project, conversation_id)
            history_items = await self._base.load_items(connection, project, [head], param="conversation")
        return History(items=history_items, version=head["version"])

    async def begin_turn(self, project: str, conversation_id: str, response_id: str) -> History:
        """Return its history, and lease it to a response: no other turn begins until that is saved or the lease ends.

        Raises ConversationNotFound, ConversationLocked and HistoryTooLarge.
        """
        lease = Lease(project=project, conversation=conversation_id, response=response_id)
        taken = project, conversation_id, response_id, self._lease_seconds
        # losing a lease in a crash of PostgreSQL is harmless
        async with self._base.rows.transaction(project, durable=False) as connection:
            head = await connection.fetchrow(self._lease_sql["take"], *taken)
            if head is None:
                await self._raise_conflict(connection, project, conversation_id)
            history_items = await self._base.load_items(connection, project, [head], param="conversation")
        return History(items=history_items, version=head["version"], lease=self._renew_lease(lease))

    async def release_lease(self, lease: Lease) -> None:
        """Release the lease without saving a response. If that fails, the lease expires."""
        with contextlib.suppress(StoreError, TimeoutError):
            async with (
                asyncio.timeout(_RELEASE_SECONDS),
                self._base.rows.transaction(lease.project, durable=False) as connection,
            ):
                await connection.execute(self._lease_sql["release"], lease.project, lease.conversation, lease.response)

    async def items(
        self, project: str, conversation_id: str, page_request: PageRequest
    ) -> RecordPage[ConversationItem]:
        """Return a page of its items.

        Raises ConversationNotFound, and ItemNotFound for an unknown `page_request.after`.
        """
        async with self._base.rows.transaction(project) as connection:
            rows = await connection.fetch(
                self._sql["items_down" if page_request.descending else "items_up"],
                project,
                conversation_id,
                page_request.after,
                page_request.limit + 1,
                self._base.today(),
            )
            if not rows:
                await self._raise_not_found(connection, project, conversation_id, page_request.after)
            page_rows = rows[: page_request.limit]
            contents = await self._base.parts.read(connection, project, page_rows, with_media=page_request.with_media)
        return RecordPage(items=items_of(page_rows, contents), has_more=len(rows) > page_request.limit)

    async def add_items(self, project: str, conversation_id: str, items: Sequence[ConversationItem]) -> None:
        """Append items. Raises ConversationNotFound, ConversationLocked, TooManyItems, ItemTooLarge and NotStorable."""
        item_rows, day = _checked_rows(items), self._base.today()

        async def write() -> None:
            async with self._base.rows.transaction(project) as connection:
                row = await connection.fetchrow(
                    self._sql["place"], project, conversation_id, item_rows.count, item_rows.size, day
                )
                if row is None:
                    await self._raise_conflict(connection, project, conversation_id)
                await self._base.insert_items(connection, project, item_rows, InsertPosition.from_row(row))

        await self._base.write_with_partition(write)

    async def get_item(
        self, project: str, conversation_id: str, item_id: str, *, with_media: bool = False
    ) -> ConversationItem:
        """Return one item. Raises ConversationNotFound and ItemNotFound."""
        async with self._base.rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["item"], project, conversation_id, item_id, self._base.today())
            if not rows:
                await self._raise_not_found(connection, project, conversation_id, item_id)
            contents = await self._base.parts.read(connection, project, rows, with_media=with_media)
        return items_of(rows, contents)[0]

    async def delete_item(self, project: str, conversation_id: str, item_id: str) -> Conversation:
        """Remove an item. Raises ConversationNotFound, ItemNotFound and ConversationLocked."""
        async with self._base.rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["remove_item"], project, conversation_id, item_id)
            if row is None:
                await self._raise_not_found(connection, project, conversation_id, item_id)
                await self._raise_conflict(connection, project, conversation_id)
            await self._base.parts.release(connection, project, released_parts(row["freed"]))
        return _conversation(row, conversation_id)

    async def _raise_not_found(
        self, connection: Connection, project: str, conversation_id: str, item_id: str | None
    ) -> None:
        """Raise the error that explains an empty result; return if the result is valid."""
        if await connection.fetchrow(self._sql["get"], project, conversation_id) is None:
            raise _not_found(conversation_id)
        day = self._base.today()
        if item_id is not None and not await connection.fetch(
            self._sql["item"], project, conversation_id, item_id, day
        ):
            raise ItemNotFound(f"There is no item {item_id} in the conversation {conversation_id}.")

    async def _raise_conflict(self, connection: Connection, project: str, conversation_id: str) -> NoReturn:
        head = await self._head(connection, project, conversation_id)
        raise ConversationLocked(retry_after=head["leased_for"])

    async def _head(self, connection: Connection, project: str, conversation_id: str) -> Any:
        """Return its row.

        Raises ConversationNotFound, and ConversationLocked where a background response is being made in it.
        """
        head = await connection.fetchrow(self._sql["head"], project, conversation_id)
        if head is None:
            raise _not_found(conversation_id)
        if head["busy_with"] is not None:
            raise ConversationLocked(f"The response {head['busy_with']} is being made in this conversation.")
        return head


class ItemStore:
    """The items of a project. Raises PostgresUnavailable if PostgreSQL does not answer."""

    def __init__(self, base: StoreBase) -> None:
        """`base` is shared with the other stores."""
        self._base = base
        self._sql = queries("conversations")

    async def find(self, project: str, ids: Sequence[str]) -> tuple[ConversationItem, ...]:
        """Return the items with these ids that exist, whole, in no order."""
        async with self._base.rows.transaction(project) as connection:
            rows = await connection.fetch(
                self._sql["items_by_id"], project, list(ids[:MAX_REFERENCES]), self._base.today()
            )
            contents = await self._base.parts.read(connection, project, rows)
        return items_of(rows, contents)


def _checked_rows(items: Sequence[ConversationItem]) -> ItemRows:
    if len(items) > MAX_ITEMS_PER_REQUEST:
        expected = f"Expected an array with maximum length {MAX_ITEMS_PER_REQUEST}"
        actual = f"got an array with length {len(items)} instead"
        raise TooManyItems(f"Invalid 'items': array too long. {expected}, but {actual}.", param="items")
    return to_rows(items)


def _conversation(row: Any, conversation_id: str) -> Conversation:
    if row is None:
        raise _not_found(conversation_id)
    metadata = metadata_of(msgspec.json.decode(row["metadata"]))
    return Conversation(id=row["id"], created_at=row["created_at"], metadata=metadata)


def _not_found(conversation_id: str) -> ConversationNotFound:
    return ConversationNotFound(f"Conversation with id '{conversation_id}' not found.")

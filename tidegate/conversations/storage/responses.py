"""The store of responses, of their chains, and of their items.

Used by the history loader, the response recorder and the responses routes.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.conversations.documents.records import (
    RUNNING_STATUSES,
    ConversationItem,
    History,
    PageRequest,
    RecordPage,
    StoredResponse,
    metadata_of,
)
from tidegate.conversations.storage.packing import PackedDocument, pack, unpack
from tidegate.conversations.storage.rows import (
    InsertPosition,
    ItemRows,
    end_user_column,
    items_of,
    metadata_column,
    postgres_text,
    to_rows,
)
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.errors import (
    ConversationLocked,
    ConversationNotFound,
    ItemNotFound,
    NotStorable,
    PreviousResponseNotFound,
    ResponseNotFound,
    TidegateError,
)
from tidegate.core.ids import IdSource, new_id
from tidegate.storage.postgres import Connection, queries


class ResponseStore:
    """Responses of a project. Every method raises PostgresUnavailable if PostgreSQL does not answer."""

    def __init__(self, base: StoreBase, ids: IdSource = new_id) -> None:
        """`base` is shared with the other stores."""
        self._base = base
        self._ids = ids
        self._sql = queries("responses")
        self._conversations = queries("conversations")
        self._save_new, self._save_after, self._save_in_conversation = (
            f"WITH {self._sql[place]}, {self._sql['written']}" for place in ("new_chain", "after", "in_conversation")
        )
        self._input_up, self._input_down = (
            f"WITH RECURSIVE {self._sql['input']}, {self._sql[way]}" for way in ("input_up", "input_down")
        )
        self._input_exists = f"WITH RECURSIVE {self._sql['input']} {self._sql['input_exists']}"

    async def history(self, project: str, response_id: str) -> History:
        """Return the whole history of a response up to its end, through its chain.

        Raises PreviousResponseNotFound, also where it is still being made, and HistoryTooLarge.
        """
        return await self._load_history(project, response_id, before=False)

    async def history_before(self, project: str, response_id: str) -> History:
        """Return the history of a response before its own input.

        Raises ResponseNotFound and HistoryTooLarge.
        """
        try:
            return await self._load_history(project, response_id, before=True)
        except PreviousResponseNotFound as error:
            raise _not_found(response_id) from error

    async def _load_history(self, project: str, response_id: str, *, before: bool) -> History:
        async with self._base.rows.transaction(project) as connection:
            heads = await connection.fetch(self._sql["lineage"], project, response_id, self._base.today(), before)
            if not heads:
                raise _previous_not_found(response_id)
            if heads[0]["status"] in RUNNING_STATUSES and not before:
                raise PreviousResponseNotFound(
                    f"The response '{response_id}' is still being made; go on from it when it is complete.",
                    param="previous_response_id",
                )
            history_items = await self._base.load_items(connection, project, heads, param="previous_response_id")
        return History(items=history_items)

    async def save(
        self,
        project: str,
        response: StoredResponse,
        inputs: Sequence[ConversationItem],
        outputs: Sequence[ConversationItem],
        *,
        version: int | None = None,
        transaction: Connection | None = None,
    ) -> None:
        """Store a whole turn or nothing of it: the response, its own input, and its output.

        It is appended to its conversation, which must still have `version` (as in `History`; None: any), or to its
        previous response, or begins a chain. While it is `running`, no other turn can be appended there. `transaction`
        is a connection whose transaction includes this. Raises ConversationNotFound, ConversationLocked,
        PreviousResponseNotFound, ItemTooLarge and NotStorable.
        """
        item_rows = to_rows(inputs, outputs)
        statement, more = self._insert_statement(response, version)
        values = (*self._values(project, response, item_rows), *more)

        async def write() -> None:
            async with self._base.rows.transaction(project, transaction) as connection:
                until = await connection.fetchval(statement, *values)
                if until is None:
                    raise await self._conflict(connection, project, response)
                await self._base.parts.save(connection, project, item_rows.contents, item_rows.parts, until)
                if not response.listed:
                    await connection.execute(self._sql["delete"], project, response.id)

        await self._base.write_with_partition(write)

    async def finish(
        self,
        project: str,
        response_id: str,
        *,
        status: str,
        document: bytes,
        outputs: Sequence[ConversationItem] = (),
        transaction: Connection | None = None,
    ) -> None:
        """Set the status of a running response and, if that ends it, its output; `transaction` as in `save`.

        Raises ResponseNotFound where it was deleted or has ended before; nothing is changed then.
        """
        item_rows, body = to_rows((), outputs), _packed(document)
        async with self._base.rows.transaction(project, transaction) as connection:
            row = await connection.fetchrow(
                self._sql["update"], project, response_id, status, body.document, body.exact
            )
            if row is None:
                raise _not_found(response_id)
            if status in RUNNING_STATUSES:
                return
            room = await connection.fetchrow(
                self._sql["end_making"], project, row["conversation"], response_id, item_rows.count, item_rows.size
            )
            if room is None:
                raise _not_found(response_id)
            place = InsertPosition(
                conversation=row["conversation"],
                last_number=room["before"],
                expires_on=row["expires_on"],
                size=room["size"],
            )
            await self._base.insert_items(
                connection, project, item_rows, place, response_id=response_id, end_user=row["end_user"]
            )
            await connection.execute(
                self._sql["extend"], project, response_id, place.last_number + item_rows.count, place.size
            )

    async def mark_in_progress(self, project: str, response_id: str, *, transaction: Connection) -> None:
        """Mark a queued response as in progress; do nothing where it was deleted or has ended."""
        async with self._base.rows.transaction(project, transaction) as connection:
            row = await connection.fetchrow(self._sql["waiting"], project, response_id)
            if row is not None:
                document = msgspec.json.decode(unpack(row["document"], row["exact"]))
                body = _packed(msgspec.json.encode({**document, "status": "in_progress"}))
                columns = (body.document, body.exact)
                await connection.fetchrow(self._sql["update"], project, response_id, "in_progress", *columns)

    async def get(self, project: str, response_id: str) -> StoredResponse:
        """Return one response with its whole output. Raises ResponseNotFound."""
        async with self._base.rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["get"], project, response_id, self._base.today())
            if not rows:
                raise _not_found(response_id)
            contents = await self._base.parts.read(connection, project, rows)
        return _response(rows[0], items_of(rows, contents))

    async def input_items(
        self, project: str, response_id: str, page_request: PageRequest
    ) -> RecordPage[ConversationItem]:
        """Return a page of its input: the history before it, and its own input.

        Raises ResponseNotFound, and ItemNotFound for an unknown `page_request.after`.
        """
        async with self._base.rows.transaction(project) as connection:
            day = self._base.today()
            rows = await connection.fetch(
                self._input_down if page_request.descending else self._input_up,
                project,
                response_id,
                day,
                page_request.after,
                page_request.limit + 1,
            )
            if not rows:
                await self._raise_not_found(connection, project, response_id, page_request.after)
            page_rows = rows[: page_request.limit]
            contents = await self._base.parts.read(connection, project, page_rows, with_media=page_request.with_media)
        return RecordPage(items=items_of(page_rows, contents), has_more=len(rows) > page_request.limit)

    async def _raise_not_found(
        self, connection: Connection, project: str, response_id: str, item_id: str | None
    ) -> None:
        """Raise the error that explains an empty result; return if the result is valid."""
        day = self._base.today()
        there = await connection.fetchrow(self._input_exists, project, response_id, day, item_id)
        if there is None:
            raise _not_found(response_id)
        if item_id is not None and not there["item"]:
            raise ItemNotFound(f"There is no item {item_id} in the input of the response {response_id}.")

    async def delete(self, project: str, response_id: str) -> None:
        """Delete a response; its items stay in the conversation and for the responses that continue it.

        Raises ResponseNotFound.
        """
        async with self._base.rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["delete"], project, response_id)
            if row is None:
                raise _not_found(response_id)
            await connection.execute(self._sql["free"], project, row["conversation"], response_id)
            hidden = await connection.fetch(self._sql["delete_hidden"], project, row["conversation"], response_id)
            await self._base.release_parts(connection, project, hidden)
            rest = await self._base.delete_unreachable(connection, project, row["conversation"])
        await self._base.delete_remaining_unreachable(project, rest)

    def _insert_statement(self, response: StoredResponse, version: int | None) -> tuple[str, tuple[Any, ...]]:
        """Return the statement that saves a turn in its position, and the parameters of that statement alone."""
        if response.conversation_id is not None:
            return self._save_in_conversation, (response.conversation_id, version)
        if response.previous_response_id is not None:
            return self._save_after, (self._ids("chain_"), response.previous_response_id)
        return self._save_new, (self._ids("chain_"),)

    def _values(self, project: str, response: StoredResponse, item_rows: ItemRows) -> tuple[Any, ...]:
        body = _packed(response.document)
        return (
            project,
            self._base.today(),
            item_rows.rows,
            item_rows.count,
            item_rows.size,
            response.id,
            response.created_at,
            response.status,
            response.background,
            postgres_text(response.model),
            end_user_column(response.end_user),
            response.request_id,
            metadata_column(response.metadata),
            body.document,
            body.exact,
            response.id if response.running else None,
        )

    async def _conflict(self, connection: Connection, project: str, response: StoredResponse) -> TidegateError:
        """Return the error that explains why a turn cannot be saved."""
        if response.conversation_id is None:
            return _previous_not_found(response.previous_response_id)
        if await connection.fetchrow(self._conversations["get"], project, response.conversation_id) is None:
            return ConversationNotFound(f"Conversation with id '{response.conversation_id}' not found.")
        return ConversationLocked()


def _packed(document: bytes) -> PackedDocument:
    """Return a packed response body. It has no parts: long strings in it are the caller's own instructions."""
    try:
        return pack(document, max_inline_bytes=len(document))
    except UnicodeDecodeError as error:
        raise NotStorable(f"The response is not UTF-8: {error}.") from error


def _response(row: Any, output: tuple[ConversationItem, ...]) -> StoredResponse:
    return StoredResponse(
        id=row["response"],
        model=row["model"],
        created_at=row["created_at"],
        document=unpack(row["body"], row["body_exact"]),
        status=row["status"],
        previous_response_id=row["previous_response"],
        conversation_id=row["conversation"] if row["kind"] == "conversation" else None,
        background=row["background"],
        end_user=row["end_user"],
        request_id=row["request_id"],
        metadata=metadata_of(msgspec.json.decode(row["metadata"])),
        output=output,
    )


def _not_found(response_id: str) -> ResponseNotFound:
    return ResponseNotFound(f"Response with id '{response_id}' not found.")


def _previous_not_found(response_id: str | None) -> PreviousResponseNotFound:
    return PreviousResponseNotFound(
        f"Previous response with id '{response_id}' not found.", param="previous_response_id"
    )

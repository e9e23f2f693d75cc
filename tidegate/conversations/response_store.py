"""Responses, the chains they make, and the items they are made of."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.connections.postgres import Connection, queries
from tidegate.conversations.archive import Archive
from tidegate.conversations.documents import (
    MOST_HISTORY_BYTES,
    Item,
    Page,
    PageAsk,
    Past,
    StoredResponse,
    metadata_of,
)
from tidegate.conversations.laying import Laid, Place, items_of, lay, metadata_column, plain
from tidegate.conversations.packing import Packed, pack, parts_of, unpack
from tidegate.core.errors import (
    ConversationBusy,
    ConversationNotFound,
    HistoryTooLarge,
    ItemNotFound,
    NotStorable,
    PreviousResponseNotFound,
    ResponseNotFound,
)
from tidegate.core.ids import IdSource, new_id


class ResponseStore:
    """Responses of a project. Every method raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, archive: Archive, ids: IdSource = new_id) -> None:
        """`archive` is shared with the other stores."""
        self._archive = archive
        self._ids = ids
        self._sql = queries("responses")
        self._conversations = queries("conversations")

    async def history(self, project: str, response_id: str) -> Past:
        """All that was said up to the end of a response, whole, through its whole chain.

        Raises PreviousResponseNotFound, also where it is still being made, and HistoryTooLarge.
        """
        return await self._past(project, response_id, before=False)

    async def before(self, project: str, response_id: str) -> Past:
        """All that had been said when a response was asked for, without its own input.

        Raises ResponseNotFound and HistoryTooLarge.
        """
        try:
            return await self._past(project, response_id, before=True)
        except PreviousResponseNotFound as error:
            raise _missing(response_id) from error

    async def _past(self, project: str, response_id: str, *, before: bool) -> Past:
        async with self._archive.rows.transaction(project) as connection:
            day = self._archive.today()
            rows = await connection.fetch(self._sql["history"], project, response_id, day, MOST_HISTORY_BYTES, before)
            if not rows:
                raise _no_previous(response_id)
            if rows[0]["status"] in ("queued", "in_progress") and not before:
                raise PreviousResponseNotFound(
                    f"The response '{response_id}' is still being made; go on from it when it is complete.",
                    param="previous_response_id",
                )
            if rows[0]["history_size"] > MOST_HISTORY_BYTES:
                raise HistoryTooLarge(param="previous_response_id")
            contents = await self._archive.parts.read(connection, project, rows)
        return Past(items=items_of(rows, contents))

    async def save(
        self,
        project: str,
        response: StoredResponse,
        inputs: Sequence[Item],
        outputs: Sequence[Item],
        *,
        version: int | None = None,
        within: Connection | None = None,
    ) -> None:
        """Keep a turn, whole or not at all: the response, what was asked (without what was said before), the answer.

        It goes to the end of its conversation, which must still be of `version` (as `Past` has it; None: of any), or
        after its previous response, or begins a chain. While it is `running`, nobody else can add there.
        `within` is a connection whose transaction this is a part of.
        Raises ConversationNotFound, ConversationBusy, PreviousResponseNotFound, ItemTooLarge and NotStorable.
        """
        laid = lay(inputs, outputs)
        body = _packed(response.document)

        async def write() -> None:
            async with self._archive.rows.transaction(project, within) as connection:
                place = await self._place(connection, project, response, laid, version)
                await self._write(connection, project, response, body, place, laid)

        await self._archive.written(write)

    async def finish(
        self,
        project: str,
        response_id: str,
        *,
        status: str,
        document: bytes,
        outputs: Sequence[Item] = (),
        within: Connection | None = None,
    ) -> None:
        """Give a running response another status, and if that ends it, its output; `within` as above.

        Raises ResponseNotFound where it was deleted or has ended before; then nothing is changed.
        """
        laid, body = lay((), outputs), _packed(document)
        async with self._archive.rows.transaction(project, within) as connection:
            row = await connection.fetchrow(
                self._sql["update"], project, response_id, status, body.document, body.exact
            )
            if row is None:
                raise _missing(response_id)
            if status in ("queued", "in_progress"):
                return
            room = await connection.fetchrow(
                self._sql["end_making"], project, row["conversation"], response_id, laid.count, laid.size
            )
            if room is None:
                raise _missing(response_id)
            place = Place(
                conversation=row["conversation"],
                before=room["before"],
                expires_on=row["expires_on"],
                size=room["size"],
            )
            await self._archive.write(
                connection, project, laid, place, response_id=response_id, end_user=row["end_user"]
            )
            await connection.execute(self._sql["extend"], project, response_id, place.before + laid.count, place.size)

    async def progress(self, project: str, response_id: str, *, within: Connection) -> None:
        """A response that waited is being made now; nothing happens where it was deleted, or has ended."""
        async with self._archive.rows.transaction(project, within) as connection:
            row = await connection.fetchrow(self._sql["waiting"], project, response_id)
            if row is not None:
                document = msgspec.json.decode(unpack(row["document"], row["exact"]))
                body = _packed(msgspec.json.encode({**document, "status": "in_progress"}))
                told = (body.document, body.exact)
                await connection.fetchrow(self._sql["update"], project, response_id, "in_progress", *told)

    async def get(self, project: str, response_id: str) -> StoredResponse:
        """One response with its output, whole. Raises ResponseNotFound."""
        async with self._archive.rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["get"], project, response_id, self._archive.today())
            if not rows:
                raise _missing(response_id)
            contents = await self._archive.parts.read(connection, project, rows)
        return _response(rows[0], items_of(rows, contents))

    async def input_items(self, project: str, response_id: str, ask: PageAsk) -> Page[Item]:
        """A part of what was asked in this turn. Raises ResponseNotFound, and ItemNotFound for `ask.after`."""
        async with self._archive.rows.transaction(project) as connection:
            day = self._archive.today()
            rows = await connection.fetch(
                self._sql["input_down" if ask.descending else "input_up"],
                project,
                response_id,
                ask.after,
                ask.limit + 1,
                day,
            )
            if not rows:
                await self._explain(connection, project, response_id, ask.after)
            shown = rows[: ask.limit]
            contents = await self._archive.parts.read(connection, project, shown, large=ask.large)
        return Page(items=items_of(shown, contents), has_more=len(rows) > ask.limit)

    async def _explain(self, connection: Connection, project: str, response_id: str, item_id: str | None) -> None:
        """Raise why nothing was found, where that is no answer in itself."""
        day = self._archive.today()
        there = await connection.fetchrow(self._sql["exists"], project, response_id, day, item_id)
        if there is None:
            raise _missing(response_id)
        if item_id is not None and not there["item"]:
            raise ItemNotFound(f"There is no item {item_id} in the input of the response {response_id}.")

    async def delete(self, project: str, response_id: str) -> None:
        """Delete a response; what was said in it stays for those that go on from it. Raises ResponseNotFound."""
        async with self._archive.rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["delete"], project, response_id)
            if row is None:
                raise _missing(response_id)
            await self._cut(connection, project, row["conversation"])

    async def _cut(self, connection: Connection, project: str, conversation: str) -> None:
        """Delete the end of a chain that nobody needs any more; a conversation keeps its items."""
        chain = await connection.fetchrow(self._sql["kind"], project, conversation)
        if chain is None or chain["kind"] != "chain":
            return
        needed = await connection.fetchval(self._sql["last_needed"], project, conversation)
        gone = await connection.fetch(self._sql["cut"], project, conversation, needed or 0)
        freed = [(parts_of(row["parts"]), row["expires_on"]) for row in gone]
        await self._archive.parts.release(connection, project, freed)
        if needed is None:
            await connection.execute(self._sql["drop_chain"], project, conversation)
        else:
            bytes_gone = sum(row["size"] for row in gone)
            await connection.execute(self._sql["shorten"], project, conversation, needed, bytes_gone)

    async def _place(
        self, connection: Connection, project: str, response: StoredResponse, laid: Laid, version: int | None
    ) -> Place:
        """Make room for a turn."""
        day = self._archive.today()
        maker = response.id if response.running else None
        if response.conversation_id is not None:
            row = await connection.fetchrow(
                self._conversations["place"],
                project,
                response.conversation_id,
                laid.count,
                laid.size,
                day,
                version,
                maker,
            )
            if row is None:
                raise await self._refusal(connection, project, response.conversation_id)
            return Place.of(row)
        new = (project, self._ids("chain_"), laid.count, laid.size, day, maker, response.created_at)
        if response.previous_response_id is None:
            row = await connection.fetchrow(self._sql["begin_chain"], *new)
        else:
            row = await connection.fetchrow(self._sql["go_on"], *new, response.previous_response_id)
        if row is None:
            raise _no_previous(response.previous_response_id)
        return Place.of(row)

    async def _refusal(
        self, connection: Connection, project: str, conversation_id: str
    ) -> ConversationBusy | ConversationNotFound:
        if await connection.fetchrow(self._conversations["get"], project, conversation_id) is None:
            return ConversationNotFound(f"Conversation with id '{conversation_id}' not found.")
        return ConversationBusy()

    async def _write(
        self,
        connection: Connection,
        project: str,
        response: StoredResponse,
        body: Packed,
        place: Place,
        laid: Laid,
    ) -> None:
        await connection.execute(
            self._sql["save"],
            project,
            response.id,
            place.expires_on,
            place.conversation,
            place.before,
            place.before + laid.count,
            place.size,
            response.previous_response_id,
            response.status,
            response.background,
            plain(response.model),
            response.created_at,
            None if response.end_user is None else plain(response.end_user),
            response.request_id,
            metadata_column(response.metadata),
            body.document,
            body.exact,
        )
        await self._archive.write(connection, project, laid, place, response_id=response.id, end_user=response.end_user)


def _packed(document: bytes) -> Packed:
    """A response's body; it has no parts: whatever is long in it is the caller's own instructions."""
    try:
        return pack(document, longest=len(document))
    except UnicodeDecodeError as error:
        raise NotStorable(f"The response is not UTF-8: {error}.") from error


def _response(row: Any, output: tuple[Item, ...]) -> StoredResponse:
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


def _missing(response_id: str) -> ResponseNotFound:
    return ResponseNotFound(f"Response with id '{response_id}' not found.")


def _no_previous(response_id: str | None) -> PreviousResponseNotFound:
    return PreviousResponseNotFound(
        f"Previous response with id '{response_id}' not found.", param="previous_response_id"
    )

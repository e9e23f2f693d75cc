"""The store of chat completions. Used by the response recorder and the completions routes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.conversations.documents.records import PageRequest, RecordPage, StoredCompletion, metadata_of
from tidegate.conversations.storage.packing import PackedDocument, decode_parts, pack, unpack, unpack_row
from tidegate.conversations.storage.rows import end_user_column, metadata_column, postgres_text
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.errors import CompletionNotFound, NotStorable
from tidegate.storage.postgres import queries

_MAX_METADATA_MATCHES = 1000


class CompletionStore:
    """Completions of a project. Every method raises PostgresUnavailable if PostgreSQL does not answer."""

    def __init__(self, base: StoreBase, *, max_metadata_matches: int = _MAX_METADATA_MATCHES) -> None:
        """`base` is shared with the other stores.

        Where more than `max_metadata_matches` completions have the wanted metadata, the store scans them in order of
        time: the next match is then near.
        """
        self._base = base
        self._max_metadata_matches = max_metadata_matches
        self._sql = queries("completions")

    async def save(self, project: str, completion: StoredCompletion) -> None:
        """Store a completion with its messages. Raises NotStorable."""
        body, messages = _packed(completion.document, apart=False), _packed(completion.messages, apart=True)
        parts = msgspec.json.encode(messages.parts).decode() if messages.parts else None

        async def write() -> None:
            async with self._base.rows.transaction(project) as connection:
                until = await connection.fetchval(
                    self._sql["save"],
                    project,
                    completion.id,
                    self._base.today(),
                    postgres_text(completion.model),
                    completion.created_at,
                    end_user_column(completion.end_user),
                    completion.request_id,
                    metadata_column(completion.metadata),
                    body.document,
                    body.exact,
                    messages.document,
                    messages.exact,
                    parts,
                )
                await self._base.parts.save(connection, project, messages.contents, messages.parts, until)

        await self._base.write_with_partition(write)

    async def get(self, project: str, completion_id: str) -> StoredCompletion:
        """Return one completion. Raises CompletionNotFound."""
        async with self._base.rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["get"], project, completion_id, self._base.today())
        return _completion(row, completion_id)

    async def list(
        self,
        project: str,
        page_request: PageRequest,
        *,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> RecordPage[StoredCompletion]:
        """Return a page of the completions of `model` that have all pairs of `metadata`.

        Raises CompletionNotFound for an unknown `page_request.after`.
        """
        pairs, way = metadata_column(metadata or {}), "down" if page_request.descending else "up"
        async with self._base.rows.transaction(project) as connection:
            query_name: tuple[Any, ...] = (
                project,
                model,
                pairs,
                page_request.after,
                page_request.limit + 1,
                self._base.today(),
            )
            these = (
                await connection.fetchval(self._sql["ids_by_metadata"], pairs, self._max_metadata_matches + 1) or []
                if metadata
                else None
            )
            if these is not None and len(these) <= self._max_metadata_matches:
                rows = await connection.fetch(self._sql[f"list_these_{way}"], *query_name, these)
            else:
                rows = await connection.fetch(self._sql[f"list_{'of_model_' if model else ''}{way}"], *query_name)
            if not rows and page_request.after is not None:
                day = self._base.today()
                _completion(
                    await connection.fetchrow(self._sql["get"], project, page_request.after, day), page_request.after
                )
        page_rows = tuple(_completion(row, row["id"]) for row in rows[: page_request.limit])
        return RecordPage(items=page_rows, has_more=len(rows) > page_request.limit)

    async def update_metadata(self, project: str, completion_id: str, metadata: Mapping[str, str]) -> StoredCompletion:
        """Replace its metadata. Raises CompletionNotFound."""
        async with self._base.rows.transaction(project) as connection:
            row = await connection.fetchrow(
                self._sql["update"], project, completion_id, metadata_column(metadata), self._base.today()
            )
        return _completion(row, completion_id)

    async def delete(self, project: str, completion_id: str) -> None:
        """Delete it. Raises CompletionNotFound."""
        async with self._base.rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["delete"], project, completion_id)
            if row is None:
                raise _not_found(completion_id)
            await self._base.parts.release(connection, project, [(decode_parts(row["parts"]), row["expires_on"])])

    async def messages(self, project: str, completion_id: str) -> tuple[bytes, ...]:
        """Return the messages of its request, each as JSON. Raises CompletionNotFound."""
        async with self._base.rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["messages"], project, completion_id, self._base.today())
            if row is None:
                raise _not_found(completion_id)
            contents = await self._base.parts.read(connection, project, [row])
        return tuple(bytes(message) for message in _decode_messages.decode(unpack_row(row, contents)))


_decode_messages = msgspec.json.Decoder(list[msgspec.Raw])


def _packed(document: bytes, *, apart: bool) -> PackedDocument:
    try:
        return pack(document) if apart else pack(document, max_inline_bytes=len(document))
    except UnicodeDecodeError as error:
        raise NotStorable(f"The completion is not UTF-8: {error}.") from error


def _completion(row: Any, completion_id: str) -> StoredCompletion:
    if row is None:
        raise _not_found(completion_id)
    return StoredCompletion(
        id=row["id"],
        model=row["model"],
        created_at=row["created_at"],
        document=unpack(row["document"], row["exact"]),
        end_user=row["end_user"],
        request_id=row["request_id"],
        metadata=metadata_of(msgspec.json.decode(row["metadata"])),
    )


def _not_found(completion_id: str) -> CompletionNotFound:
    return CompletionNotFound(f"Chat completion with id '{completion_id}' not found.")

"""The store of owned objects. Used by the owners, which the pipeline asks, and by the command line."""

from collections.abc import Iterable, Sequence
from typing import Any

from tidegate.core.clock import Clock
from tidegate.ownership.owned_object import (
    FIRST_POSITION,
    LAST_POSITION,
    MAX_ID_LENGTH,
    ListPosition,
    NewObject,
    OwnedObject,
    OwnedPlace,
)
from tidegate.storage.postgres import Postgres, queries
from tidegate.storage.row_security import ProjectTransactions
from tidegate.wire.operations.operation import ObjectKind

MAX_DOCUMENT_BYTES = 16_384
"""A larger document is not kept, but read from the upstream for each list."""
_MAX_END_USER_LENGTH = 256


class ObjectStore:
    """Objects of a project. Every method raises PostgresUnavailable if PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, clock: Clock) -> None:
        """`postgres` is shared with other stores."""
        self._rows = ProjectTransactions(postgres)
        self._clock = clock
        self._sql = queries("owned_objects")

    async def record(self, project: str, objects: Sequence[NewObject]) -> frozenset[str]:
        """Record objects, and return the ids of those that the project owns then: another project's stays theirs."""
        columns = [
            [one.id for one in objects],
            [one.kind.value for one in objects],
            [one.place.provider for one in objects],
            [one.place.credential for one in objects],
            [one.created_at for one in objects],
            [end_user_column(one.end_user) for one in objects],
            [_document_column(one.document) for one in objects],
        ]
        async with self._rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["record"], project, *columns)
        return frozenset(row["id"] for row in rows)

    async def find(self, project: str, ids: Iterable[str]) -> tuple[OwnedObject, ...]:
        """Return those of the objects that the project owns."""
        wanted = _storable(ids)
        if not wanted:
            return ()
        async with self._rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["find"], project, wanted)
        return tuple(_object(row) for row in rows)

    async def of_others(self, project: str, ids: Iterable[str]) -> frozenset[str]:
        """Return those of the ids that other projects own, and nothing else about them."""
        wanted = _storable(ids)
        if not wanted:
            return frozenset()
        async with self._rows.transaction(project) as connection:
            rows = await connection.fetch(self._sql["of_others"], wanted)
        return frozenset(row["id"] for row in rows)

    async def position(self, project: str, kind: ObjectKind, object_id: str) -> ListPosition | None:
        """Return where an object stands in the lists; None where the project has no such object."""
        if not _storable([object_id]):
            return None
        async with self._rows.transaction(project) as connection:
            row = await connection.fetchrow(self._sql["position"], project, kind.value, object_id)
        return None if row is None else ListPosition(row["created_at"], row["seq"])

    async def page(  # the bounds and the order of one page
        self,
        project: str,
        kind: ObjectKind,
        *,
        after: ListPosition = FIRST_POSITION,
        before: ListPosition = LAST_POSITION,
        descending: bool,
        limit: int,
    ) -> tuple[tuple[OwnedObject, ListPosition], ...]:
        """Return at most `limit` existing objects between two positions, newest first if `descending`."""
        statement = self._sql["page_down" if descending else "page_up"]
        bounds = (after.created_at, after.seq, before.created_at, before.seq)
        async with self._rows.transaction(project) as connection:
            rows = await connection.fetch(statement, project, kind.value, *bounds, limit)
        return tuple((_object(row), ListPosition(row["created_at"], row["seq"])) for row in rows)

    async def keep_document(self, project: str, object_id: str, document: bytes) -> None:
        """Keep the JSON of an object that never changes; one that is too large is not kept."""
        if (column := _document_column(document)) is not None:
            async with self._rows.transaction(project) as connection:
                await connection.execute(self._sql["keep_document"], project, object_id, column)

    async def mark_gone(self, project: str, ids: Iterable[str]) -> None:
        """Note that objects exist no longer: they are in no list any more, and their records are deleted later."""
        async with self._rows.transaction(project) as connection:
            await connection.execute(self._sql["mark_gone"], project, _storable(ids), self._clock.now())


def _object(row: Any) -> OwnedObject:
    return OwnedObject(
        id=row["id"],
        kind=ObjectKind(row["kind"]),
        place=OwnedPlace(row["provider"], row["credential"]),
        created_at=row["created_at"],
        end_user=row["end_user"],
        document=row["document"],
        is_forgotten=row["forgotten_at"] is not None,
    )


def _storable(ids: Iterable[str]) -> list[str]:
    """Return the ids that a row can have. No row has another one."""
    return [one for one in ids if 0 < len(one) <= MAX_ID_LENGTH and one.isprintable()]


def end_user_column(end_user: str | None) -> str | None:
    """Return an end user's name as the other tables have it."""
    if end_user is None:
        return None
    return end_user.replace("\0", "")[:_MAX_END_USER_LENGTH].encode(errors="replace").decode()


def _document_column(document: bytes | None) -> bytes | None:
    return document if document is not None and len(document) <= MAX_DOCUMENT_BYTES else None

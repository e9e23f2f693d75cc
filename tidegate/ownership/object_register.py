"""What an operator does with the records of all projects. Used by `tidegate objects`."""

from collections.abc import Sequence

import msgspec

from tidegate.core.clock import Clock
from tidegate.ownership.owned_object import OwnedPlace
from tidegate.storage.postgres import Postgres, queries
from tidegate.wire.operations.operation import ObjectKind


class RegisteredObject(msgspec.Struct, frozen=True, kw_only=True):
    """A record, with its project."""

    project: str
    id: str
    kind: ObjectKind
    place: OwnedPlace
    created_at: float
    """Unix seconds."""
    end_user: str | None
    is_gone: bool
    """Whether the object exists no longer."""


class ObjectRegister:
    """The records of all projects. Every method raises PostgresUnavailable."""

    def __init__(self, postgres: Postgres, clock: Clock) -> None:
        """`postgres` is shared with other stores."""
        self._postgres = postgres
        self._clock = clock
        self._sql = queries("owned_objects")

    async def list(
        self,
        *,
        project: str | None = None,
        kind: ObjectKind | None = None,
        after: str | None = None,
        limit: int,
    ) -> Sequence[RegisteredObject]:
        """Return records, the newest first, from the one after the object `after` on."""
        kind_name = None if kind is None else kind.value
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["list_all"], project, kind_name, after, limit)
        return [
            RegisteredObject(
                project=row["project"],
                id=row["id"],
                kind=ObjectKind(row["kind"]),
                place=OwnedPlace(row["provider"], row["credential"]),
                created_at=row["created_at"],
                end_user=row["end_user"],
                is_gone=row["is_gone"],
            )
            for row in rows
        ]

    async def assign(self, project: str, object_id: str, kind: ObjectKind, place: OwnedPlace) -> str:
        """Record an object that was made elsewhere, and return the project that owns it then.

        It is another project where that one owned the object before: it keeps it.
        """
        values = (project, object_id, kind.value, place.provider, place.credential, self._clock.now())
        async with self._postgres.connection() as connection:
            owner: str = await connection.fetchval(self._sql["assign"], *values)
        return owner

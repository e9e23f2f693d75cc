"""Deletes the objects of erased end users at the upstream, in a background task that each process runs."""

from collections.abc import Awaitable, Callable

import structlog

from tidegate.core.errors import UpstreamError
from tidegate.core.periodic import PeriodicTask
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.owned_object import FIRST_POSITION, OwnedPlace
from tidegate.storage.postgres import Postgres, queries
from tidegate.wire.operations.operation import ObjectKind

DeleteObject = Callable[[ObjectKind, str, OwnedPlace], Awaitable[bool]]
"""Deletes an object, and returns whether it exists no longer; false where its kind cannot be deleted.

Raises UpstreamError.
"""
_BATCH_SIZE = 100

_log = structlog.get_logger("ownership")


class ObjectDeletion:
    """A background task between `start` and `close`.

    Two processes may delete the same object: the second one finds it gone. What fails is tried again in the next round.
    """

    def __init__(
        self, postgres: Postgres, store: ObjectStore, delete: DeleteObject, *, every_seconds: float = 60.0
    ) -> None:
        """The first round begins at once, the next ones every `every_seconds`."""
        self._postgres = postgres
        self._store = store
        self._delete = delete
        self._sql = queries("owned_objects")
        self._task = PeriodicTask("object-deletion", self.run_once, every=every_seconds)

    async def start(self) -> None:
        """Begin, in the background; PostgreSQL need not be reachable yet."""
        await self._task.start()

    async def close(self) -> None:
        """Stop; a deletion in progress is cancelled."""
        await self._task.close()

    async def run_once(self) -> None:
        """Try to delete each object once. Raises PostgresUnavailable."""
        at, seq, failed = FIRST_POSITION.created_at, FIRST_POSITION.seq, 0
        while True:
            async with self._postgres.connection() as connection:
                rows = await connection.fetch(self._sql["forgotten"], _BATCH_SIZE, at, seq)
            for row in rows:
                place = OwnedPlace(row["provider"], row["credential"])
                try:
                    if await self._delete(ObjectKind(row["kind"]), row["id"], place):
                        await self._store.mark_gone(row["project"], [row["id"]])
                except UpstreamError:
                    failed += 1
            if len(rows) < _BATCH_SIZE:
                break
            at, seq = rows[-1]["forgotten_at"], rows[-1]["seq"]
        if failed:
            _log.warning("objects of erased end users could not be deleted at the upstream yet", objects=failed)

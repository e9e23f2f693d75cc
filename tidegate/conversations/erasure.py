"""Deletes an end user's conversations, responses and completions.

Called by `tidegate users forget` and the admin API.
"""

from tidegate.conversations.storage.packing import decode_parts
from tidegate.conversations.storage.parts import PartStore
from tidegate.conversations.storage.rows import end_user_column
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.clock import Clock
from tidegate.storage.postgres import Connection, Postgres, queries

_BATCH_SIZE = 100
_COMPLETIONS_BATCH_SIZE = 200


class ConversationEraser:
    """An `Eraser`.

    Deletes a conversation that only this end user took part in; of a shared one, only their own turns.
    """

    def __init__(self, postgres: Postgres, clock: Clock) -> None:
        """`postgres` is shared with other stores."""
        self._postgres = postgres
        self._clock = clock
        self._parts = PartStore()
        self._base = StoreBase(postgres, clock)
        self._sql = queries("end_user_erasure")

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """Count the conversations they took part in, and their items, responses and completions.

        Raises PostgresUnavailable.
        """
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(self._sql["count"], project, end_user_column(end_user))
        assert row is not None  # noqa: S101  # counts always have one
        return dict(row)

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Delete all of it in batches, with the large parts that are no longer used. Raises PostgresUnavailable."""
        user = end_user_column(end_user)
        counts = await self.count(project, end_user)
        async with self._postgres.connection() as connection:
            while names := await connection.fetch(self._sql["conversations"], project, user, _BATCH_SIZE):
                for name in names:
                    async with connection.transaction():
                        stem = await self._erase_from(connection, project, user, name["conversation"])
                    while stem is not None:
                        async with connection.transaction():
                            stem = await self._base.delete_unreachable(connection, project, stem)
            while await self._completions(connection, project, user):
                pass
        return counts

    async def _erase_from(
        self, connection: Connection, project: str, user: str | None, conversation: str
    ) -> str | None:
        """Erase their rows of a conversation; return a chain that may be unused now."""
        alone = not await connection.fetchval(self._sql["shared"], project, user, conversation)
        deleted_rows = await connection.fetch(self._sql["delete_items"], project, user, conversation, alone)
        await connection.execute(self._sql["delete_responses"], project, user, conversation, alone)
        await self._parts.release(
            connection, project, [(decode_parts(row["parts"]), row["expires_on"]) for row in deleted_rows]
        )
        if not alone:
            await connection.execute(
                self._sql["shrink"], project, conversation, sum(row["size"] for row in deleted_rows)
            )
            return None
        dropped = await connection.fetchrow(self._sql["drop"], project, conversation)
        if dropped is None:
            await connection.execute(self._sql["empty"], project, conversation, self._clock.now())
            return None
        parent: str | None = dropped["parent"]
        return parent

    async def _completions(self, connection: Connection, project: str, user: str | None) -> bool:
        """Delete a batch of completions; return whether more may follow."""
        async with connection.transaction():
            deleted_rows = await connection.fetch(
                self._sql["delete_completions"], project, user, _COMPLETIONS_BATCH_SIZE
            )
            freed = [(decode_parts(row["parts"]), row["expires_on"]) for row in deleted_rows]
            await self._parts.release(connection, project, freed)
        return bool(deleted_rows)

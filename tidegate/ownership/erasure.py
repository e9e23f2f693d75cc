"""Erases what was made at an upstream for an end user. Called by `tidegate users forget` and the admin API."""

from tidegate.core.clock import Clock
from tidegate.ownership.object_store import end_user_column
from tidegate.storage.postgres import Postgres, queries


class ObjectEraser:
    """An `Eraser`. The objects are unusable at once."""

    def __init__(self, postgres: Postgres, clock: Clock) -> None:
        """`postgres` is shared with other stores."""
        self._postgres = postgres
        self._clock = clock
        self._sql = queries("owned_objects")

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """Count the objects that were made for them. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            count = await connection.fetchval(self._sql["count_of_end_user"], project, end_user_column(end_user))
        return {"upstream_objects": int(count)}

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Remove their name and their documents, and mark the objects for deletion. Raises PostgresUnavailable."""
        user = end_user_column(end_user)
        async with self._postgres.connection() as connection:
            status = await connection.execute(self._sql["forget_end_user"], project, user, self._clock.now())
        return {"upstream_objects": int(status.rpartition(" ")[2])}

"""Erases the questions of an end user, and what was decided about them."""

from tidegate.cache.erasure import end_user_digest
from tidegate.cache.semantic.state.change_log import ChangeLog
from tidegate.storage.postgres import Postgres, queries


class QuestionEraser:
    """Erase the questions of end users. Implements `Eraser`."""

    def __init__(self, postgres: Postgres, log: ChangeLog) -> None:
        self._postgres = postgres
        self._log = log
        self._sql = queries("semantic")

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """Return how many changes and decisions are stored. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            count = await connection.fetchval(self._sql["count_of_end_user"], end_user_digest(project, end_user))
        return {"semantic_questions": int(count)}

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Erase them, in the memory of every process, too; return how many. Raises a StoreError."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["erase_end_user"], end_user_digest(project, end_user))
        await self._log.tell_deleted([row["scope"] for row in rows])
        return {"semantic_questions": sum(int(row["deleted"]) for row in rows)}

"""Purges a scope: its stored answers, and what was learned of its questions."""

from tidegate.cache.purge import AnswerPurge
from tidegate.cache.semantic.state.change_log import ChangeLog
from tidegate.storage.postgres import Postgres, queries


class ScopePurge:
    """Purge scopes. Raises PostgresUnavailable and RedisUnavailable: then the same purge goes on with the rest."""

    def __init__(self, postgres: Postgres, answers: AnswerPurge, log: ChangeLog) -> None:
        self._postgres = postgres
        self._answers = answers
        self._log = log
        self._sql = queries("semantic")

    async def purge(self, scope: str) -> int:
        """Delete the answers of a scope and its questions, in the memory of every process, too.

        Return how many answers were deleted.
        """
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["answers"], scope)
        removed = sum([await self._answers.purge_answer(row["answer"]) for row in rows])
        async with self._postgres.connection() as connection:
            await connection.fetchval(self._sql["forget"], scope)
        await self._log.tell_deleted([scope])
        return removed

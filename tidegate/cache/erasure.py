"""Erases the stored answers to the calls of an end user, also from the memory of processes (`near_answers.py`)."""

import asyncio
import hashlib

from tidegate.cache.near_answers import NEAR_SECONDS, Pause
from tidegate.storage.names import RedisNames, escape
from tidegate.storage.redis import RedisLink, Script

_BATCH_SIZE = 500


def end_user_digest(project: str, end_user: str) -> str:
    """Return the name of the index of an end user's stored answers: a hash that does not reveal the end user."""
    return hashlib.sha256(f"{len(project)}/{project}/{end_user}".encode(errors="replace")).hexdigest()


class AnswerEraser:
    """Erase stored answers before they expire. Implements `Eraser`."""

    def __init__(self, redis: RedisLink, *, prefix: str, pause: Pause = asyncio.sleep) -> None:
        """`prefix` begins the names of Redis keys."""
        self._redis = redis
        self._pause = pause
        names = RedisNames(prefix)
        self._prefix, self._begin_index = names.tag, names.start("answers_of")
        self._count = Script("answers_count")
        self._erase = Script("answers_forget")

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """Return how many answers are stored. Raises RedisUnavailable."""
        return {"cached_answers": await self._run(self._count, project, end_user)}

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Erase the answers; return how many. Raises RedisUnavailable."""
        count = 0
        while deleted := await self._run(self._erase, project, end_user):
            count += deleted
        await self._pause(NEAR_SECONDS)
        return {"cached_answers": count}

    async def _run(self, script: Script, project: str, end_user: str) -> int:
        index = self._begin_index + end_user_digest(project, end_user)
        return int(await self._redis.run(script, (index,), (self._prefix, _BATCH_SIZE, escape(project))))

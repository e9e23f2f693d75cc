"""The memory that stored answers take in Redis, for each project; kept by `lua/answers.lua` whenever one is stored."""

import msgspec

from tidegate.core.clock import Clock
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink, Script

_SWEEP_COUNT = 1000


class AnswerUsage(msgspec.Struct, frozen=True, kw_only=True):
    """How much stored answers take."""

    total_bytes: int = 0
    largest_bytes: int = 0
    """Of the project that has most."""
    projects: int = 0
    """The number of projects that have any."""


class AnswerSpace:
    """Look after stored answers. Every method raises RedisUnavailable."""

    def __init__(self, link: RedisLink, clock: Clock, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._link = link
        self._clock = clock
        names = RedisNames(prefix)
        self._prefix, self._begin_answer = names.tag, names.start("answer")
        self._tidy = Script("answers_tidy")
        self._relieve = Script("answers_relieve")
        self._cursor = b"0"

    async def tidy(self, *, claim_seconds: float) -> tuple[bool, AnswerUsage]:
        """Forget expired answers, and return what the others take.

        Also return whether this process did it: for `claim_seconds`, only one of all replicas does.
        """
        args = (self._prefix, f"{self._clock.now():.6f}", max(1, int(claim_seconds * 1000)))
        done, total, largest, projects = await self._link.run(self._tidy, (), args)
        return bool(done), AnswerUsage(total_bytes=total, largest_bytes=largest, projects=projects)

    async def drop(self, wanted_bytes: int, *, limit: int) -> tuple[int, int]:
        """Drop at most `limit` answers, to free so many bytes; return how many were dropped, and their bytes."""
        dropped, freed = await self._link.run(self._relieve, (), (self._prefix, wanted_bytes, limit))
        return int(dropped), int(freed)

    async def drop_unknown(self) -> int:
        """Drop some answers that no index names, while none is named; return how many.

        They are from a release without an index, or their index was lost. Each call looks at the next part of Redis.
        """
        pattern = f"{self._begin_answer}*"
        self._cursor, keys = await self._link.command("SCAN", self._cursor, "MATCH", pattern, "COUNT", _SWEEP_COUNT)
        return int(await self._link.command("UNLINK", *keys)) if keys else 0

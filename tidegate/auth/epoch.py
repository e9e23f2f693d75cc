"""The cache-invalidation epoch: a number in Redis that grows whenever an API key or a project changes.

The stores of keys and projects advance it after each change; every process's `ApiKeyCache` reads it and refreshes.
"""

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink


class Epoch:
    """Read and advance the epoch. Advance it only after the change is committed in PostgreSQL."""

    def __init__(self, redis: RedisLink, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._redis = redis
        self._key = RedisNames(prefix).of("keys:epoch")

    async def read(self) -> int:
        """Return the number. Raises RedisUnavailable."""
        try:
            return int(await self._redis.command("GET", self._key) or 0)
        except ValueError:  # not a number: it is replaced by one that no process has seen
            await self._redis.repair(self._key)
            return int(await self._redis.command("GET", self._key) or 0)

    async def advance(self) -> bool:
        """Make every process refresh its keys. Return False if Redis is away: they then refresh later by themselves."""
        try:
            await self._redis.command("INCR", self._key)
        except RedisUnavailable:
            return False
        return True

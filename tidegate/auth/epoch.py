"""The number in Redis that moves whenever a key or a project changes, by which every process hears of it."""

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.redis import RedisLink


class Epoch:
    """Read by each process several times a second; moved by whoever made a change, after it is committed."""

    def __init__(self, redis: RedisLink, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._redis = redis
        self._key = f"{{{prefix}}}:keys:epoch"

    async def read(self) -> int:
        """The number. Raises RedisUnavailable."""
        return int(await self._redis.command("GET", self._key) or 0)

    async def advance(self) -> bool:
        """Tell every process to read anew. False when Redis does not answer: they find out later by themselves."""
        try:
            await self._redis.command("INCR", self._key)
        except RedisUnavailable:
            return False
        return True

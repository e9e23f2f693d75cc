"""Stops the storing of answers beyond their freshness when Redis runs out of memory: budgets and ledger come first."""

import re

import structlog

from tidegate.core.errors import RedisUnavailable
from tidegate.core.periodic import PeriodicTask
from tidegate.storage.redis import RedisLink

CHECK_SECONDS = 5.0
MAX_USED_RATIO = 0.75
"""Of `maxmemory`. Fresh answers expire within an hour, so a quarter is enough for everything else."""

_log = structlog.get_logger("cache")
_MEMORY_FIELD = re.compile(rb"^(used_memory|maxmemory):(\d+)", re.MULTILINE)


class RedisMemoryGuard:
    """Check the memory of Redis every few seconds, between `start` and `close`."""

    def __init__(self, link: RedisLink, *, check_seconds: float = CHECK_SECONDS) -> None:
        self._link = link
        self._task = PeriodicTask("redis-memory", self._check, every=check_seconds, quiet=(RedisUnavailable,))
        self.allows_stale = True
        """Whether answers may be stored for longer than they are fresh."""

    async def start(self) -> None:
        """Begin to check."""
        await self._task.start()

    async def close(self) -> None:
        """Stop checking."""
        await self._task.close()

    async def check(self) -> None:
        """Check now. While Redis is down, the last result stays."""
        await self._task.run_round()

    async def _check(self) -> None:
        self._apply(await self._link.command("INFO", "memory"))

    def _apply(self, memory_info: bytes) -> None:
        fields = {name: int(value) for name, value in _MEMORY_FIELD.findall(memory_info)}
        used, maximum = fields.get(b"used_memory", 0), fields.get(b"maxmemory", 0)
        has_space = maximum == 0 or used < MAX_USED_RATIO * maximum
        if has_space is not self.allows_stale:
            self.allows_stale = has_space
            self._log_change(used, maximum)

    def _log_change(self, used: int, maximum: int) -> None:
        if self.allows_stale:
            _log.info("redis has memory again: storing stale answers", used_bytes=used, max_bytes=maximum)
        else:
            remedy = "give Redis more memory, or lower cache.stale_for_seconds"
            _log.warning(
                "redis memory is three quarters used: not storing stale answers",
                used_bytes=used,
                max_bytes=maximum,
                remedy=remedy,
            )

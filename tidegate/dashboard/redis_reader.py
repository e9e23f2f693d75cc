"""Reads what Redis has of an overview, besides the ring: spending, the queue, health, its own memory, the drain."""

import asyncio
import re

from tidegate.core.errors import RedisUnavailable
from tidegate.dashboard.sources import RedisSnapshot
from tidegate.limits.budget_store import BudgetStore
from tidegate.limits.scopes import ALL_CALLERS
from tidegate.queue.report import QueueReport
from tidegate.routing.health.report import HealthReport
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink

_WAITERS_READ = 50
"""Waiting calls of a lane among which the oldest is looked for: they are the next to be sent."""
_USED_MEMORY = re.compile(rb"^used_memory:(\d+)", re.MULTILINE)


class RedisReader:
    """Reads Redis."""

    def __init__(  # a parameter for each part
        self, redis: RedisLink, *, prefix: str, budgets: BudgetStore, queue: QueueReport, health: HealthReport
    ) -> None:
        """`prefix` begins the names of Redis keys."""
        self._redis = redis
        self._ledger = RedisNames(prefix).of("ledger")
        self._budgets = budgets
        self._queue = queue
        self._health = health

    async def read(self, now: float) -> RedisSnapshot:
        """Return what Redis has. Raises RedisUnavailable."""
        are_valid, (spending,), lanes, health, memory, waiting = await asyncio.gather(
            self._budgets.counters_valid(),
            self._budgets.read([ALL_CALLERS], now),
            self._queue.read(now, limit=_WAITERS_READ),
            self._health.read(),
            self._used_bytes(),
            self._redis.command("XRANGE", self._ledger, "-", "+", "COUNT", "1"),
        )
        return RedisSnapshot(
            spending=spending if are_valid else None,
            lanes=lanes,
            health=health,
            used_bytes=memory,
            drain_lag_seconds=_age(waiting[0][0], now) if waiting else 0.0,
        )

    async def _used_bytes(self) -> int | None:
        try:
            found = _USED_MEMORY.search(await self._redis.command("INFO", "memory"))
        except RedisUnavailable:
            if not self._redis.up:
                raise
            return None  # a managed Redis may refuse it
        return int(found[1]) if found else None


def _age(stream_id: bytes, now: float) -> float:
    """Return the age in seconds of an entry of a stream, whose id begins with its time."""
    return max(0.0, now - int(stream_id.partition(b"-")[0]) / 1000)

"""The ring: the last day's calls of all processes in Redis, one hash for each minute, which expires after 25 hours."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from tidegate.core.clock import Clock
from tidegate.dashboard.minute import Fields, MinuteFigures, minute_of
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink, Script

MINUTE_SECONDS = 60
KEEP_SECONDS = 25 * 3600
_SETTLED_SECONDS = 120
"""After which a minute hardly changes: only a process that had lost Redis still adds to it."""
_TRUSTED_SECONDS = 600
"""For how long a settled minute is not read again."""
_SPREAD_SECONDS = 10
_READ_AT_ONCE = 60


class RecentMinutes:
    """Writes and reads minutes. Every method raises RedisUnavailable."""

    def __init__(self, redis: RedisLink, clock: Clock, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._redis = redis
        self._clock = clock
        self._begin = RedisNames(prefix).start("ring")
        self._add = Script("ring_add")
        self._known: dict[int, tuple[MinuteFigures, float]] = {}

    def __repr__(self) -> str:
        return f"<RecentMinutes: {len(self._known)} minutes known>"

    async def add(self, minute: int, fields: Fields, *, process: str, number: int) -> None:
        """Add a process's calls to a minute (Unix seconds, divided by 60). The same `number` of a process adds once."""
        pairs = [part for pair in fields.items() for part in pair]
        await self._redis.run(self._add, (f"{self._begin}{minute}",), (process, number, KEEP_SECONDS, *pairs))

    async def read(self, minutes: range) -> list[MinuteFigures]:
        """Return these minutes. Those that have settled are remembered, so a page that stays open reads few of them."""
        now = self._clock.now()
        missing = [minute for minute in minutes if not self._is_trusted(minute, now)]
        for begin in range(0, len(missing), _READ_AT_ONCE):
            await self._read_some(missing[begin : begin + _READ_AT_ONCE], now)
        return [self._known[minute][0] for minute in minutes if minute in self._known]

    def forget(self) -> None:
        """Forget what was read: no page is open."""
        self._known.clear()

    async def _read_some(self, minutes: Sequence[int], now: float) -> None:
        replies = await asyncio.gather(
            *(self._redis.command("HGETALL", f"{self._begin}{minute}") for minute in minutes)
        )
        for minute, reply in zip(minutes, replies, strict=True):
            self._known[minute] = (minute_of(dict(_pairs(reply)), minute * MINUTE_SECONDS), now)
        oldest = int((now - KEEP_SECONDS) // MINUTE_SECONDS)
        for minute in [minute for minute in self._known if minute < oldest]:
            del self._known[minute]

    def _is_trusted(self, minute: int, now: float) -> bool:
        known = self._known.get(minute)
        if known is None or known[1] < (minute + 1) * MINUTE_SECONDS + _SETTLED_SECONDS:
            return False
        # not all in one round: those of a day take a tenth of a second together
        return now - known[1] < _TRUSTED_SECONDS + _SPREAD_SECONDS * (minute % MINUTE_SECONDS)


def _pairs(reply: Any) -> Iterable[tuple[bytes, bytes]]:
    return reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)

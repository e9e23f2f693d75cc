"""Writes what the metrics have counted to the ring, every few seconds: nothing is done for a single call."""

from collections import deque
from collections.abc import Callable

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.periodic import PeriodicTask
from tidegate.dashboard.minute import Fields, difference
from tidegate.dashboard.recent_minutes import MINUTE_SECONDS, RecentMinutes

EVERY_SECONDS = 2.0
MAX_WAITING = 24 * 60
"""Minutes that wait for Redis: those of a day; the oldest are dropped."""


class _Addition(msgspec.Struct, kw_only=True):
    minute: int
    number: int
    fields: Fields
    is_sent: bool = False
    """Whether it may have arrived; then it is sent again as it is, and nothing is added to it."""


class MinuteWriter:
    """Adds one process's calls to the ring. Use it between `start` and `close`."""

    def __init__(self, ring: RecentMinutes, read: Callable[[], Fields], clock: Clock, *, process: str) -> None:
        """`read` returns what this process has counted since its start."""
        self._ring = ring
        self._read = read
        self._clock = clock
        self._process = process
        self._before: Fields = {}
        self._number = 0
        self._waiting: deque[_Addition] = deque(maxlen=MAX_WAITING)
        self._task = PeriodicTask("dashboard-ring", self.write, every=EVERY_SECONDS, wait_first=True)

    def __repr__(self) -> str:
        return f"<MinuteWriter: {len(self._waiting)} minutes wait>"

    async def start(self) -> None:
        """Begin; calls that were counted before are not this process's."""
        self._before = self._read()
        await self._task.start()

    async def close(self) -> None:
        """Stop, and write the last calls. A round that was cut off is sent again, and Redis adds it once."""
        await self._task.close()
        await self._task.run_round()

    async def write(self) -> None:
        """Write what is new, and what waits. Raises RedisUnavailable; then it waits for the next round."""
        self._note(int(self._clock.now() // MINUTE_SECONDS))
        while self._waiting:
            first = self._waiting[0]
            first.is_sent = True
            await self._ring.add(first.minute, first.fields, process=self._process, number=first.number)
            self._waiting.popleft()

    def _note(self, minute: int) -> None:
        now = self._read()
        added, self._before = difference(now, self._before), now
        if not added:
            return
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.minute == minute and not last.is_sent:
            for name, count in added.items():
                last.fields[name] = last.fields.get(name, 0) + count
            return
        self._number += 1
        self._waiting.append(_Addition(minute=minute, number=self._number, fields=added))

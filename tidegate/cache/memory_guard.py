"""Whether Redis has room for answers that are kept only for an outage: budgets and the ledger's way come first."""

import asyncio
import contextlib
import re

import structlog

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.redis import RedisLink

CHECK_SECONDS = 5.0
MAX_USED_RATIO = 0.75
"""Of `maxmemory`. Fresh answers leave within their hour, so a quarter is room enough for what else there is."""

_log = structlog.get_logger("cache")
_MEMORY_FIELD = re.compile(rb"^(used_memory|maxmemory):(\d+)", re.MULTILINE)


class RedisMemoryGuard:
    """Looks from time to time. Use it between `start` and `close`."""

    def __init__(self, link: RedisLink, *, check_seconds: float = CHECK_SECONDS) -> None:
        self._link = link
        self._check_seconds = check_seconds
        self._task: asyncio.Task[None] | None = None
        self.allows_stale = True
        """Whether answers may be kept for longer than they are fresh."""

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="cache-room")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def check(self) -> None:
        """Look now; while Redis cannot tell, what was known holds."""
        with contextlib.suppress(RedisUnavailable):
            self._apply(await self._link.command("INFO", "memory"))

    async def _run(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(self._check_seconds)

    def _apply(self, told: bytes) -> None:
        figures = {name: int(figure) for name, figure in _MEMORY_FIELD.findall(told)}
        used, most = figures.get(b"used_memory", 0), figures.get(b"maxmemory", 0)
        room = most == 0 or used < MAX_USED_RATIO * most
        if room is not self.allows_stale:
            self.allows_stale = room
            self._log_change(used, most)

    def _log_change(self, used: int, most: int) -> None:
        if self.allows_stale:
            _log.info("answers are kept for an outage again", used_bytes=used, most_bytes=most)
        else:
            remedy = "give Redis more memory, or lower cache.stale_for_seconds"
            _log.warning(
                "redis is three quarters full: answers are kept while fresh only",
                used_bytes=used,
                most_bytes=most,
                remedy=remedy,
            )

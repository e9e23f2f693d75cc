"""Whether Redis has room for answers that are kept only for an outage: budgets and the ledger's way come first."""

import asyncio
import contextlib
import re

import structlog

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.redis import RedisLink

LOOK_SECONDS = 5.0
FULL = 0.75
"""Of `maxmemory`. Fresh answers leave within their hour, so a quarter is room enough for what else there is."""

_log = structlog.get_logger("cache")
_FIGURE = re.compile(rb"^(used_memory|maxmemory):(\d+)", re.MULTILINE)


class Room:
    """Looks from time to time. Use it between `start` and `close`."""

    def __init__(self, link: RedisLink, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._link = link
        self._look_seconds = look_seconds
        self._looking: asyncio.Task[None] | None = None
        self.for_stale = True
        """Whether answers may be kept for longer than they are fresh."""

    async def start(self) -> None:
        """Begin to look."""
        self._looking = asyncio.create_task(self._keep_looking(), name="cache-room")

    async def close(self) -> None:
        """Stop."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    async def look(self) -> None:
        """Look now; while Redis cannot tell, what was known holds."""
        with contextlib.suppress(RedisUnavailable):
            self._learn(await self._link.command("INFO", "memory"))

    async def _keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._look_seconds)

    def _learn(self, told: bytes) -> None:
        figures = {name: int(figure) for name, figure in _FIGURE.findall(told)}
        used, most = figures.get(b"used_memory", 0), figures.get(b"maxmemory", 0)
        room = most == 0 or used < FULL * most
        if room is not self.for_stale:
            self.for_stale = room
            self._tell(used, most)

    def _tell(self, used: int, most: int) -> None:
        if self.for_stale:
            _log.info("answers are kept for an outage again", used_bytes=used, most_bytes=most)
        else:
            remedy = "give Redis more memory, or lower cache.stale_for_seconds"
            _log.warning(
                "redis is three quarters full: answers are kept while fresh only",
                used_bytes=used,
                most_bytes=most,
                remedy=remedy,
            )

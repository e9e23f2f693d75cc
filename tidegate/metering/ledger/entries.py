"""A call's line in the ledger, on its way: encoded, then into the Redis stream, or onto disk while Redis is away."""

import asyncio
import contextlib
from collections import deque
from typing import Any

import msgspec
import structlog

from tidegate.core.errors import LedgerFull, RedisUnavailable, StoreError
from tidegate.core.events import Happening, Own, Tell, untold
from tidegate.core.values import LedgerEntry
from tidegate.metering.ledger.spool import Spool, SpoolFailed
from tidegate.metering.ledger.stream import LedgerStream

LONGEST_TEXT = 256
"""Characters; names that callers choose are cut here, so that a line in the ledger stays a line."""
LONGEST_MODEL = 200

MOST_HELD = 10_000
"""Entries in memory, some 6 MB, before calls are refused."""

_SYNC_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_CHOSEN = {
    "end_user": LONGEST_TEXT,
    "model": LONGEST_MODEL,
    "served_model": LONGEST_MODEL,
    "upstream_request_id": LONGEST_TEXT,
}
"""Texts that callers and upstreams choose, and may be anything; all others are ours."""
_log = structlog.get_logger("ledger")
_encoder = msgspec.json.Encoder()


def encode(entry: LedgerEntry) -> bytes:
    """One JSON object that PostgreSQL can hold: others' texts are cut, and rid of NUL and half surrogate pairs."""
    changes: dict[str, Any] = {}
    for name, longest in _CHOSEN.items():
        text = getattr(entry, name)
        if text is not None and (len(text) > longest or not text.isascii() or "\0" in text):
            changes[name] = plain_text(text, longest)
    return _encoder.encode(msgspec.structs.replace(entry, **changes) if changes else entry)


def plain_text(text: str, longest: int) -> str:
    """A text as the ledger has it: cut, and rid of NUL and half surrogate pairs."""
    return text.replace("\0", "")[:longest].encode(errors="replace").decode()


class Ledger:
    """Takes entries in. What it took survives the process; the Drainer brings it to PostgreSQL.

    The one exception: what neither Redis nor the disk takes is held in memory, up to a bound, and tried again.
    Beyond it `check` refuses further calls, whose cost could not be written down.
    """

    def __init__(self, stream: LedgerStream, spool: Spool, *, most_held: int = MOST_HELD, tell: Tell = untold) -> None:
        """`close` it at the end."""
        self._stream = stream
        self._spool = spool
        self._most_held = most_held
        self._tell = tell
        self._held: deque[bytes] = deque()
        self._syncing: asyncio.Task[None] | None = None
        self._retrying: asyncio.Task[None] | None = None
        self.lost = 0
        """Entries that were never kept anywhere; the log has them."""

    @property
    def held(self) -> int:
        """Entries that are in memory only."""
        return len(self._held)

    def check(self) -> None:
        """Whether another call's entry would find room. Raises LedgerFull."""
        if len(self._held) >= self._most_held:
            raise LedgerFull(retry_after=_RETRY_SECONDS)

    async def append(self, entry: LedgerEntry) -> None:
        """Into the stream, or onto disk while Redis is away."""
        encoded = encode(entry)
        try:
            await self._stream.append(encoded)
        except RedisUnavailable:
            self.spool(encoded)

    def spool(self, encoded: bytes) -> None:
        """Onto disk. An entry that may be in the stream as well does no harm: it counts once."""
        try:
            self._write(encoded)
        except SpoolFailed as error:
            self._tell(Happening(Own.SPOOL_FAILED))
            self._hold(encoded, error)

    async def close(self) -> None:
        """Have the disk keep what was spooled, and leave it to whoever replays next."""
        for task in (self._retrying, self._syncing):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        with contextlib.suppress(StoreError):
            await self._let_go()
        while self._held:
            self._lose(self._held.popleft(), "the process ended first")
        await self._spool.sync()
        self._spool.seal()

    def _write(self, encoded: bytes) -> None:
        self._spool.write(encoded)
        self._tell(Happening(Own.LEDGER_SPOOLED))
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync_soon(), name="spool-sync")

    def _hold(self, encoded: bytes, error: SpoolFailed) -> None:
        if len(self._held) >= 2 * self._most_held:  # calls under way when `check` began to refuse have the other half
            self._lose(encoded, str(error))
            return
        if not self._held:
            _log.error("ledger entries held in memory: neither Redis nor the disk takes them", reason=str(error))
        self._held.append(encoded)
        self._tell(Happening(Own.LEDGER_HELD))
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._try_again(), name="ledger-retry")

    def _lose(self, encoded: bytes, reason: str) -> None:
        self.lost += 1
        self._tell(Happening(Own.LEDGER_LOST))
        _log.critical("ledger entry lost: this line is its last copy", reason=reason, entry=encoded.decode())

    async def _try_again(self) -> None:
        while self._held:
            await asyncio.sleep(_RETRY_SECONDS)
            with contextlib.suppress(StoreError):
                await self._let_go()
        _log.info("ledger entries held in memory are safe again")

    async def _let_go(self) -> None:
        """Bring what is held to Redis or to the disk, the oldest first. Raises StoreError where neither takes it."""
        while self._held:
            try:
                await self._stream.append(self._held[0])
            except RedisUnavailable:
                self._write(self._held[0])
            self._held.popleft()

    async def _sync_soon(self) -> None:
        while self._spool.unsynced:
            await asyncio.sleep(_SYNC_SECONDS)
            await self._spool.sync()

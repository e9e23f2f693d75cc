"""A call's line in the ledger, on its way: encoded, then into the Redis stream, or onto disk while Redis is away."""

import asyncio
import contextlib
from typing import Any

import msgspec
import structlog

from tidegate.core.errors import RedisUnavailable
from tidegate.core.values import LedgerEntry
from tidegate.metering.ledger_stream import LedgerStream
from tidegate.metering.spool import Spool, SpoolFailed

LONGEST_TEXT = 256
"""Characters; names that callers choose are cut here, so that a line in the ledger stays a line."""
LONGEST_MODEL = 200

_SYNC_SECONDS = 0.05
_TEXTS = {
    field.name: LONGEST_MODEL if field.name in ("model", "served_model") else LONGEST_TEXT
    for field in msgspec.structs.fields(LedgerEntry)
    if field.type in (str, str | None)
}
_log = structlog.get_logger("ledger")
_encoder = msgspec.json.Encoder()


def encode(entry: LedgerEntry) -> bytes:
    """One JSON object that PostgreSQL can hold: texts are cut, and rid of NUL and half surrogate pairs."""
    changes: dict[str, Any] = {}
    for name, longest in _TEXTS.items():
        text = getattr(entry, name)
        if text is not None and (len(text) > longest or not text.isascii() or "\0" in text):
            changes[name] = _clean(text, longest)
    return _encoder.encode(msgspec.structs.replace(entry, **changes) if changes else entry)


def _clean(text: str, longest: int) -> str:
    return text.replace("\0", "")[:longest].encode(errors="replace").decode()


class Ledger:
    """Takes entries in. What it took survives the process; the Drainer brings it to PostgreSQL."""

    def __init__(self, stream: LedgerStream, spool: Spool) -> None:
        """`close` it at the end."""
        self._stream = stream
        self._spool = spool
        self._syncing: asyncio.Task[None] | None = None
        self.lost = 0
        """Entries that neither Redis nor the disk could take; the log has them."""

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
            self._spool.write(encoded)
        except SpoolFailed as error:
            self.lost += 1
            _log.critical("ledger entry lost: this line is its last copy", reason=str(error), entry=encoded.decode())
            return
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync_soon(), name="spool-sync")

    async def close(self) -> None:
        """Have the disk keep what was spooled, and leave it to whoever replays next."""
        if self._syncing is not None:
            self._syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._syncing
        await self._spool.sync()
        self._spool.seal()

    async def _sync_soon(self) -> None:
        while self._spool.unsynced:
            await asyncio.sleep(_SYNC_SECONDS)
            await self._spool.sync()

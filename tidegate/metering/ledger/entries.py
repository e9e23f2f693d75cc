"""Takes in ledger entries and appends them to the Redis stream, or to the spool on disk while Redis is away.

Called by the pipeline when it settles a call.
"""

import asyncio
import contextlib
import itertools
from collections import deque
from typing import Any

import msgspec
import structlog

from tidegate.core.errors import LedgerUnavailable, PostgresUnavailable, RedisUnavailable, StoreError
from tidegate.core.events import Event, EventName, EventSink, ignore_event
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.periodic import PeriodicTask
from tidegate.metering.ledger.spool import Spool, SpoolFailed
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.ledger.stream import BATCH_SIZE, LedgerStream

MAX_TEXT_LENGTH = 256
"""Characters. Names that callers choose are cut at this length, so that entries stay small."""
MAX_MODEL_LENGTH = 200
MAX_ERROR_LENGTH = 500

MAX_BUFFERED_ENTRIES = 10_000
"""Entries in memory, about 6 MB, before further calls are refused."""

MAX_POSTED_ENTRIES = 5_000
"""Entries that wait to be appended together, before further ones are appended on their own."""

_SYNC_SECONDS = 0.05
_POST_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_STORE_SECONDS = 10.0
_MAX_LENGTHS = {
    "end_user": MAX_TEXT_LENGTH,
    "model": MAX_MODEL_LENGTH,
    "served_model": MAX_MODEL_LENGTH,
    "upstream_request_id": MAX_TEXT_LENGTH,
    "error_text": MAX_ERROR_LENGTH,
}
"""Fields whose text callers or upstreams choose, with their greatest length. All other texts come from Tidegate."""
_log = structlog.get_logger("ledger")
_encoder = msgspec.json.Encoder()


def encode(entry: LedgerEntry) -> bytes:
    """Return JSON that PostgreSQL can hold: foreign texts are cut, and freed of NUL and half surrogate pairs."""
    changes: dict[str, Any] = {}
    for name, longest in _MAX_LENGTHS.items():
        text = getattr(entry, name)
        if text is not None and (len(text) > longest or not text.isascii() or "\0" in text):
            changes[name] = plain_text(text, longest)
    return _encoder.encode(msgspec.structs.replace(entry, **changes) if changes else entry)


def plain_text(text: str, max_length: int) -> str:
    """Return a text as the ledger has it: cut, and without NUL and half surrogate pairs."""
    return text.replace("\0", "")[:max_length].encode(errors="replace").decode()


class Ledger:
    """Takes in entries. An entry that was taken in survives the process; the drainer moves it to PostgreSQL.

    One exception: entries that neither Redis nor the disk accepts are buffered in memory, up to a bound, and retried.
    At the end of the process they go straight to PostgreSQL.
    Beyond that bound `check_capacity` refuses further calls, because their cost could not be recorded.
    """

    def __init__(
        self,
        stream: LedgerStream,
        spool: Spool,
        *,
        store: LedgerStore | None = None,
        max_buffered_entries: int = MAX_BUFFERED_ENTRIES,
        on_event: EventSink = ignore_event,
    ) -> None:
        """Call `close` at the end. What neither Redis nor the disk accepts until then is written to `store`."""
        self._store = store
        self._stream = stream
        self._spool = spool
        self._max_buffered_entries = max_buffered_entries
        self._on_event = on_event
        self._buffer: deque[bytes] = deque()
        self._posted: list[bytes] = []
        self._sync_round = PeriodicTask("spool-sync", spool.sync, every=_SYNC_SECONDS)
        self._retry_round = PeriodicTask("ledger-retry", self._flush_buffer, every=_RETRY_SECONDS, quiet=(StoreError,))
        self._sync_task: asyncio.Task[None] | None = None
        self._retry_task: asyncio.Task[None] | None = None
        self._post_task: asyncio.Task[None] | None = None
        self.lost_count = 0
        """Entries that could not be stored anywhere; the log has them."""

    @property
    def buffered_count(self) -> int:
        """Return the number of entries that are in memory only."""
        return len(self._buffer)

    @property
    def can_post(self) -> bool:
        """Return whether `post` may take another entry."""
        return len(self._posted) < MAX_POSTED_ENTRIES

    def check_capacity(self) -> None:
        """Check that another call's entry can be recorded. Raises LedgerUnavailable."""
        if len(self._buffer) >= self._max_buffered_entries:
            raise LedgerUnavailable(retry_after=_RETRY_SECONDS)

    async def append(self, entry: LedgerEntry) -> None:
        """Append an entry to the stream, or to the spool while Redis is away."""
        encoded = encode(entry)
        try:
            await self._stream.append(encoded)
        except RedisUnavailable:
            self.spool(encoded)

    def post(self, entry: LedgerEntry) -> None:
        """Append an entry soon, within 50 ms and together with others, if `can_post`.

        `kill -9` within that time loses it. So this is for entries of calls that cost nothing.
        """
        self._posted.append(encode(entry))
        if self._post_task is None or self._post_task.done():
            self._post_task = asyncio.create_task(self._post_soon(), name="ledger-post")

    def spool(self, encoded: bytes) -> None:
        """Append an entry to the spool. It may be in the stream as well: it counts once."""
        try:
            self._write_to_spool(encoded)
        except SpoolFailed as error:
            self._on_event(Event(EventName.SPOOL_FAILED))
            self._buffer_entry(encoded, error)

    async def close(self) -> None:
        """Flush the spool to disk, and leave its file to be replayed by any process."""
        for task in (self._post_task, self._retry_task, self._sync_task):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._append_posted()
        with contextlib.suppress(StoreError):
            await self._flush_buffer()
        await self._store_buffer()
        while self._buffer:
            self._drop_entry(self._buffer.popleft(), "the process ended first")
        await self._spool.sync()
        self._spool.close_file()

    async def _post_soon(self) -> None:
        while self._posted:
            await asyncio.sleep(_POST_SECONDS)
            await self._append_posted()

    async def _append_posted(self) -> None:
        """Append what was posted. Entries leave the list afterwards: one that is appended twice counts once."""
        posted = self._posted[:]
        if not posted:
            return
        try:
            await self._stream.append_all(posted)
        except RedisUnavailable:
            for encoded in posted:
                self.spool(encoded)
        del self._posted[: len(posted)]

    def _write_to_spool(self, encoded: bytes) -> None:
        self._spool.write(encoded)
        self._on_event(Event(EventName.LEDGER_SPOOLED))
        if self._sync_task is None or self._sync_task.done():
            self._sync_task = asyncio.create_task(self._sync_soon(), name="spool-sync")

    def _buffer_entry(self, encoded: bytes, error: SpoolFailed) -> None:
        # twice the bound: the second half is for calls that began before further ones were refused
        if len(self._buffer) >= 2 * self._max_buffered_entries:
            self._drop_entry(encoded, str(error))
            return
        if not self._buffer:
            _log.error("ledger entries held in memory: neither Redis nor the disk takes them", reason=str(error))
        self._buffer.append(encoded)
        self._on_event(Event(EventName.LEDGER_HELD))
        if self._retry_task is None or self._retry_task.done():
            self._retry_task = asyncio.create_task(self._retry_buffered(), name="ledger-retry")

    def _drop_entry(self, encoded: bytes, reason: str) -> None:
        self.lost_count += 1
        self._on_event(Event(EventName.LEDGER_LOST))
        _log.critical("ledger entry lost: this line is its last copy", reason=reason, entry=encoded.decode())

    async def _retry_buffered(self) -> None:
        while self._buffer:
            await asyncio.sleep(_RETRY_SECONDS)
            await self._retry_round.run_round()
        _log.info("ledger entries held in memory are safe again")

    async def _flush_buffer(self) -> None:
        """Move the buffer to Redis or to the disk, oldest entry first. Raises StoreError where neither accepts it."""
        while self._buffer:
            try:
                await self._stream.append(self._buffer[0])
            except RedisUnavailable:
                self._write_to_spool(self._buffer[0])
            self._buffer.popleft()

    async def _store_buffer(self) -> None:
        """Write what is left to PostgreSQL, as far as it answers in time."""
        if self._store is None:
            return
        with contextlib.suppress(PostgresUnavailable, TimeoutError):
            async with asyncio.timeout(_STORE_SECONDS):
                while self._buffer:
                    batch = list(itertools.islice(self._buffer, BATCH_SIZE))
                    await self._store.write(batch)
                    for _ in batch:
                        self._buffer.popleft()

    async def _sync_soon(self) -> None:
        while self._spool.has_unsynced_lines:
            await asyncio.sleep(_SYNC_SECONDS)
            await self._sync_round.run_round()

"""Moves the ledger into PostgreSQL, from the Redis stream and from the files of the spool.

Each gateway process runs one drainer. Each entry is written at least once and counts once, because the ledger is
idempotent by the entry's id. If a drainer dies between the insert and the acknowledgement, the next one claims the
entries and inserts them again. While PostgreSQL is away, entries stay in the stream and are read again. While Redis is
away, the connection is made anew, and the group, too, if Redis restarted empty. An entry that PostgreSQL cannot hold is
kept apart by the store, and the rest goes on. Where Redis is away as the process ends, its files are copied to
PostgreSQL: their folder may end with the process.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.events import Event, EventName, EventSink, ignore_event
from tidegate.core.ids import new_id
from tidegate.core.periodic import PeriodicTask
from tidegate.metering.ledger.spool import Spool
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.ledger.stream import BATCH_SIZE, LedgerStream, StreamConsumer, StreamEntry

_log = structlog.get_logger("ledger")


class DrainIntervals(msgspec.Struct, frozen=True, kw_only=True):
    """The pauses of the drainer, in seconds."""

    gather: float = 0.2
    """Between reads that did not return a full batch: a batch costs hardly more than one entry."""
    block: float = 2.0
    """How long a read waits for new entries."""
    claim_idle: float = 15.0
    """The age at which an entry that was delivered to another drainer counts as abandoned."""
    chores: float = 10.0
    """The length of a round: each begins with a search for entries that dead drainers left behind."""
    forget: float = 600.0
    """The silence after which a drainer without entries is removed from the group."""
    replay: float = 2.0
    """Between searches for spool files."""
    first_retry: float = 0.1
    last_retry: float = 5.0


class _SpooledEntry(msgspec.Struct):
    """The field that is needed of a spooled entry."""

    id: str


_decoder = msgspec.json.Decoder(_SpooledEntry)


class LedgerDrainer:
    """Two background tasks between `start` and `close`. Any number of processes may each have one."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        stream: LedgerStream,
        store: LedgerStore,
        spool: Spool,
        *,
        clock: Clock,
        intervals: DrainIntervals | None = None,
        on_replayed: Callable[[Sequence[str]], Awaitable[None]] | None = None,
        on_event: EventSink = ignore_event,
    ) -> None:
        """`spool` is this process's own; files of dead processes in its folder are replayed, too.

        `on_replayed` is called with the ids of replayed entries, of which Redis may know nothing.
        """
        self._stream = stream
        self._store = store
        self._spool = spool
        self._clock = clock
        self._intervals = intervals or DrainIntervals()
        self._on_replayed = on_replayed
        self._on_event = on_event
        self._name = new_id("drainer-")
        self._tasks = [
            PeriodicTask("ledger-drain", self._drain_for_a_while, every=lambda failures: self._pause(failures, 0.0)),
            PeriodicTask(
                "ledger-replay", self._replay, every=lambda failures: self._pause(failures, self._intervals.replay)
            ),
        ]

    async def start(self) -> None:
        """Begin, in the background; neither store need be reachable yet."""
        for task in self._tasks:
            await task.start()

    async def close(self, deadline: float = 10.0) -> None:
        """Stop, then drain what is there for up to `deadline` seconds; the rest stays in the stores."""
        await asyncio.gather(*(task.close() for task in self._tasks))
        last_rounds = [
            PeriodicTask("ledger-last-drain", self._empty_stream, every=0.0),
            PeriodicTask("ledger-last-replay", self._replay_at_end, every=0.0),
        ]
        try:
            async with asyncio.timeout(deadline):
                await asyncio.gather(*(task.run_round() for task in last_rounds))
        except TimeoutError:
            _log.warning("ledger not drained in time; the rest waits in the stores", deadline=deadline)

    def _pause(self, failures: int, seconds: float) -> float:
        """Return `seconds` after a round that worked, and a growing pause after failed ones."""
        if not failures:
            return seconds
        return min(self._intervals.first_retry * 2.0 ** min(failures - 1, 30), self._intervals.last_retry)

    async def _drain_for_a_while(self) -> None:
        """Drain the stream over one connection, until it is time to look for abandoned entries again."""
        async with self._stream.consumer(self._name) as consumer:
            await self._drain_all(consumer, consumer.read_unacknowledged)  # left from an earlier round
            await self._drain_all(consumer, lambda: consumer.claim_idle(self._intervals.claim_idle))
            await self._stream.remove_idle_consumers(self._intervals.forget)
            end = self._clock.monotonic() + self._intervals.chores
            while self._clock.monotonic() < end:
                batch = await consumer.read_new(self._intervals.block)
                await self._write_batch(consumer, batch)
                if 0 < len(batch) < BATCH_SIZE:
                    await asyncio.sleep(self._intervals.gather)

    async def _empty_stream(self) -> None:
        async with self._stream.consumer(self._name) as consumer:
            await self._drain_all(consumer, consumer.read_unacknowledged)
            await self._drain_all(consumer, consumer.read_new)
            await consumer.remove()

    async def _drain_all(
        self, consumer: StreamConsumer, read_batch: Callable[[], Awaitable[list[StreamEntry]]]
    ) -> None:
        while batch := await read_batch():
            await self._write_batch(consumer, batch)

    async def _write_batch(self, consumer: StreamConsumer, batch: list[StreamEntry]) -> None:
        if not batch:
            return
        await self._store.write([stream_entry.entry for stream_entry in batch if stream_entry.entry is not None])
        await consumer.acknowledge([stream_entry.id for stream_entry in batch])

    async def _replay(self) -> None:
        """Write every file that is not locked, including this process's own, and remove it."""
        if not self._spool.has_files():
            return
        await self._store.ping()  # otherwise this process's file would be split into many while PostgreSQL is away
        await self._notify_replayed(())  # or that Redis cannot be reached, which has to learn of the replayed entries
        self._spool.close_file()
        for file in self._spool.claim_files():
            with file:
                entries = 0
                for batch in file.batches(BATCH_SIZE):
                    await self._store.write(batch)
                    await self._notify_replayed(_ids(batch))
                    entries += len(batch)
                file.remove()
                self._on_event(Event(EventName.LEDGER_REPLAYED, entries))
                _log.info("spool replayed", file=file.path.name, entries=entries)

    async def _replay_at_end(self) -> None:
        """Replay, or copy where Redis is away: the next process to find the files replays them and tells Redis."""
        try:
            await self._replay()
        except RedisUnavailable:
            self._spool.close_file()
            for file in self._spool.claim_files():
                with file:
                    for batch in file.batches(BATCH_SIZE):
                        await self._store.write(batch)
                    _log.info("spool copied to PostgreSQL; it waits for Redis to be replayed", file=file.path.name)

    async def _notify_replayed(self, ids: Sequence[str]) -> None:
        if self._on_replayed is not None:
            await self._on_replayed(ids)


def _ids(lines: Iterable[bytes]) -> list[str]:
    ids = []
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError):  # the store rejects it and keeps it apart
            ids.append(_decoder.decode(line).id)
    return ids

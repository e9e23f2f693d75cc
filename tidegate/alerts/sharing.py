"""Share the figures of all processes, in Redis or, while it is away, in PostgreSQL; one process judges each slot."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tidegate.alerts.figures import SlotFigures, add_up, slot_of
from tidegate.core.errors import StoreError
from tidegate.storage.names import RedisNames
from tidegate.storage.postgres import Postgres, queries
from tidegate.storage.redis import RedisLink, Script

MAX_BYTES = 2 * 1024 * 1024
"""The most that one process shares; it is far less than that."""
_decode = msgspec.msgpack.Decoder(list[SlotFigures])
_encode = msgspec.msgpack.Encoder()


class FigureStore(Protocol):
    """A store that all processes share."""

    async def publish(self, process: str, data: bytes, now: float) -> None:
        """Replace what the process has shared. Raises StoreError."""
        ...

    async def claim(self, slot: int) -> bool:
        """Return whether this process shall judge the slot. Raises StoreError."""
        ...

    async def read(self, since: float) -> Mapping[str, bytes]:
        """Return what processes have shared, by process; what is older than `since` may be missing.

        Raises StoreError.
        """
        ...

    async def forget(self, processes: Sequence[str]) -> None:
        """Forget what these processes have shared. Raises StoreError."""
        ...


class RedisFigures:
    """Figures in Redis: a hash with a field for each process, which expires."""

    def __init__(self, redis: RedisLink, *, prefix: str, expire_seconds: int) -> None:
        names = RedisNames(prefix)
        self._redis = redis
        self._figures, self._judged = names.of("alerts:figures"), names.of("alerts:judged")
        self._expire_seconds = expire_seconds
        self._claim = Script("alerts_claim")

    async def publish(self, process: str, data: bytes, now: float) -> None:  # noqa: ARG002  # Redis expires it itself
        """Replace what the process has shared. Raises RedisUnavailable."""
        await self._redis.command("HSET", self._figures, process, data)
        await self._redis.command("EXPIRE", self._figures, self._expire_seconds)

    async def claim(self, slot: int) -> bool:
        """Return whether this process shall judge the slot. Raises RedisUnavailable."""
        return bool(await self._redis.run(self._claim, (self._judged,), (slot,)))

    async def read(self, since: float) -> Mapping[str, bytes]:  # noqa: ARG002  # the figures have their own times
        """Return what processes have shared. Raises RedisUnavailable."""
        reply: list[bytes] | dict[bytes, bytes] = await self._redis.command("HGETALL", self._figures)
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        return {process.decode(errors="replace"): data for process, data in pairs}

    async def forget(self, processes: Sequence[str]) -> None:
        """Forget what these processes have shared. Raises RedisUnavailable."""
        if processes:
            await self._redis.command("HDEL", self._figures, *processes)


class PostgresFigures:
    """Figures in PostgreSQL, for the time that Redis is away."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._sql = queries("alerts")

    async def publish(self, process: str, data: bytes, now: float) -> None:
        """Replace what the process has shared. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["share"], process, data, now)

    async def claim(self, slot: int) -> bool:
        """Return whether this process shall judge the slot. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            return await connection.fetchval(self._sql["claim"], slot) is not None

    async def read(self, since: float) -> Mapping[str, bytes]:
        """Return what processes have shared since then. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            rows: list[Any] = await connection.fetch(self._sql["shared"], since)
        return {row["process"]: row["figures"] for row in rows}

    async def forget(self, processes: Sequence[str]) -> None:
        """Do nothing: reading forgets what is old."""


class FleetFigures(msgspec.Struct, frozen=True):
    """The figures that a process shall judge."""

    slots: list[SlotFigures]
    """The oldest first, each the sum of all processes."""
    is_alone: bool = False
    """Whether they are of this process only, because no store answers."""


class FigureSharing:
    """Shares this process's figures, and returns those of all to the process that shall judge."""

    def __init__(self, process: str, stores: Sequence[FigureStore]) -> None:
        """`stores` are tried in order: the next one only while those before do not answer."""
        self._process = process
        self._stores = stores

    async def exchange(self, slots: list[SlotFigures], now: float, window: range) -> FleetFigures | None:
        """Share `slots`; return the window's figures of all, or None where another process judges this slot."""
        data = _encode.encode(slots)
        for store in self._stores:
            try:
                await store.publish(self._process, data, now)
                if not await store.claim(slot_of(now)):
                    return None
                shared = await store.read(now - 2 * 10 * len(window))
                return FleetFigures(await self._add_up(store, shared, slots, window))
            except StoreError:
                continue
        return FleetFigures(_by_slot(slots, window), is_alone=True)

    async def _add_up(
        self, store: FigureStore, shared: Mapping[str, bytes], slots: list[SlotFigures], window: range
    ) -> list[SlotFigures]:
        everything, old = list(slots), []
        for process, data in shared.items():
            if process == self._process:
                continue
            others = _read(data)
            if not others or max(slot.number for slot in others) < window.start:
                old.append(process)
            everything += others
        await store.forget(old)
        return _by_slot(everything, window)


def _read(data: bytes) -> list[SlotFigures]:
    """Return shared figures; none where another release wrote what is unknown here."""
    try:
        return _decode.decode(data) if len(data) <= MAX_BYTES else []
    except msgspec.DecodeError:
        return []


def _by_slot(slots: Iterable[SlotFigures], window: range) -> list[SlotFigures]:
    by_number: dict[int, list[SlotFigures]] = {}
    for slot in slots:
        if slot.number in window:
            by_number.setdefault(slot.number, []).append(slot)
    return [add_up(by_number[number]) for number in sorted(by_number)]

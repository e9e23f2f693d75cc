"""Asks PostgreSQL and Redis for the facts that the doctor judges."""

import re
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from tidegate.doctor.stores import PostgresFacts, RedisFacts, SpoolFacts
from tidegate.storage.postgres import Postgres, queries
from tidegate.storage.redis import RedisLink
from tidegate.storage.schema.steps import all_steps

_PINGS = 5
_INFO = re.compile(r"^(\w+):(.*?)\r?$", re.MULTILINE)


class CostComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger beside the provider's costs report, for one UTC day."""

    day: str
    ledger_nanos: int
    provider_nanos: int


class PostgresProbe:
    """Asks PostgreSQL."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._sql = queries("doctor")

    async def facts(self, *, pool_size: int, workers: int) -> PostgresFacts:
        """Return what PostgreSQL says of itself. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            seconds = await _fastest(lambda: connection.fetchval(self._sql["ping"]))
            (row,) = await connection.fetch(self._sql["state"])
            has_steps = await connection.fetchval(queries("migrations")["has_steps"])
            applied = await connection.fetch(queries("migrations")["applied_steps"]) if has_steps else []
        known = {each["migration_id"] for each in applied}
        return PostgresFacts(
            seconds=seconds,
            encoding=row["encoding"],
            missing_steps=tuple(step.name for step in all_steps() if step.name not in known),
            read_only=row["read_only"],
            allowed_connections=row["allowed"],
            other_connections=row["others"],
            pool_size=pool_size,
            workers=workers,
        )

    async def now(self) -> float:
        """Return PostgreSQL's clock, in Unix seconds. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            return float(await connection.fetchval(self._sql["now"]))

    async def models(self, since: float) -> Mapping[str, int]:
        """Return the calls without a price since then (Unix seconds), by model. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["unpriced"], since)
        return {row["model"]: row["calls"] for row in rows}

    async def last_comparison(self) -> CostComparison | None:
        """Return the comparison of the latest day; None where there is none. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(self._sql["last_comparison"])
        return None if row is None else CostComparison(**dict(row))

    async def keep_comparison(self, provider: str, comparison: CostComparison) -> None:
        """Keep a comparison, in place of an earlier one of that day. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            await connection.execute(
                self._sql["keep_comparison"], provider, comparison.day, comparison.ledger_nanos,
                comparison.provider_nanos,
            )  # fmt: skip


class RedisProbe:
    """Asks Redis."""

    def __init__(self, redis: RedisLink) -> None:
        self._redis = redis

    async def facts(self, max_memory_bytes: int | None) -> RedisFacts:
        """Return what Redis says of itself. Raises RedisUnavailable."""
        seconds = await _fastest(self._redis.ping)
        memory, replication = [_info(await self._redis.command("INFO", part)) for part in ("memory", "replication")]
        return RedisFacts(
            seconds=seconds,
            policy=memory.get("maxmemory_policy", "noeviction"),
            used_bytes=int(memory.get("used_memory", 0)),
            limit_bytes=int(memory.get("maxmemory", 0)) or max_memory_bytes,
            read_only=replication.get("role") == "slave",
        )

    async def now(self) -> float:
        """Return the clock of Redis, in Unix seconds. Raises RedisUnavailable."""
        seconds, microseconds = await self._redis.command("TIME")
        return int(seconds) + int(microseconds) / 1e6


async def _fastest(ask: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds of the fastest round trip of a few: the slower ones may have waited for this process."""
    times = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        await ask()
        times.append(time.perf_counter() - began)
    return min(times)


def look_at_spool(folder: Path, entries: int) -> SpoolFacts:
    """Return whether entries could be written to `folder`, and what it has room for."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent  # the gateway makes the folder when it needs it
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\n")
    except OSError:
        return SpoolFacts(folder=str(folder), writable=False)
    return SpoolFacts(folder=str(folder), entries=entries, free_bytes=shutil.disk_usage(place).free)


def _info(reply: object) -> dict[str, str]:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else ""
    return dict(_INFO.findall(text))

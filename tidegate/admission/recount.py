"""The budgets' counters, made true again from the ledger when Redis has lost its memory."""

import asyncio

import msgspec
import structlog

from tidegate.admission.terms import EVERYBODY, period_of
from tidegate.connections.postgres import Postgres, queries
from tidegate.connections.redis import RedisLink, Script
from tidegate.core.clock import Clock
from tidegate.core.errors import StoreError
from tidegate.core.ids import IdSource, new_id

_DAY_TTL, _MONTH_TTL = 3 * 86_400, 63 * 86_400
_LOOK_AGAIN_SECONDS = 0.05
_MOST_LOOKS = 200
_log = structlog.get_logger("recount")


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """One counter, as the script reads it."""

    k: str
    c: int
    ttl: int


class Recount:
    """Counts the ledger into Redis, once for all processes that ask at the same time."""

    def __init__(
        self, link: RedisLink, postgres: Postgres, *, prefix: str, clock: Clock, ids: IdSource = new_id
    ) -> None:
        self._link = link
        self._postgres = postgres
        self._prefix = f"{{{prefix}}}"
        self._clock = clock
        self._ids = ids
        self._script = Script("recount")
        self._sql = queries("recount")
        self._running: asyncio.Task[None] | None = None

    async def ensure(self) -> None:
        """Have the counters be true. Raises RedisUnavailable or PostgresUnavailable while that cannot be."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._count(), name="recount")
        await asyncio.shield(self._running)

    async def _count(self) -> None:
        for _ in range(_MOST_LOOKS):
            costly, mark = await self._link.run(self._script, (), (self._prefix, "look"))
            if costly < 0:
                return
            if costly == 0 and await self._set(mark):
                return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)  # until the drainers have moved those lines to PostgreSQL
        raise StoreError("The budgets' counters cannot be rebuilt: the ledger's stream is not being drained.")

    async def _set(self, mark: bytes) -> bool:
        counters = await self._from_ledger()
        name = self._ids("count_")
        args = (self._prefix, "set", mark, name, f"{self._clock.now():.3f}", msgspec.json.encode(counters))
        done = await self._link.run(self._script, (), args)
        if done[0] == 1:
            _log.info("budgets counted from the ledger", counters=len(counters), name=name)
        return bool(done[0] != 0)

    async def _from_ledger(self) -> list[Counter]:
        period = period_of(self._clock.now())
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["spent"], period.day, period.month)
        return [
            Counter(
                k=f"{_scope(row['kind'], row['project'], row['name'])}:{row['period']}",
                c=int(row["cost_nanos"]),
                ttl=_DAY_TTL if row["period"] == period.day else _MONTH_TTL,
            )
            for row in rows
        ]


def _scope(kind: str, project: str | None, name: str | None) -> str:
    if kind == "all":
        return EVERYBODY
    return f"user/{project}/{name}" if kind == "user" else f"{kind}/{name}"

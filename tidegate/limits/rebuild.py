"""The budgets' counters, made true again from the ledger when Redis has lost its memory.

The ledger is read in PostgreSQL and in the stream, while calls go on: what is charged meanwhile is kept in a
journal, and the ledger is read without it. In this order each call is counted once:
  1. begin: from now on there is a journal
  2. read the lines in the stream; those that leave it meanwhile are in PostgreSQL
  3. take PostgreSQL's snapshot
  4. read the journal: what reached PostgreSQL since the beginning is in it
  5. sum the lines of 2 and 3 without the calls of 4
  6. set the counters to that, and charge the journal
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import msgspec
import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable, StoreError
from tidegate.core.ids import IdSource, new_id
from tidegate.limits.scopes import ALL_CALLERS, BudgetPeriod, period_of
from tidegate.storage.postgres import Postgres, queries
from tidegate.storage.redis import RedisLink, Script

_DAY_TTL, _MONTH_TTL = 3 * 86_400, 63 * 86_400
_REBUILD_SECONDS = 20.0
"""After so long another process may begin a count of its own."""
_MAX_TRIES = 200
_SCHEDULE_SECONDS = 5.0
_PAGE_SIZE = 1000
_CLOCK_SKEW_SECONDS = 60.0
"""Seconds around midnight in which the day before is counted too."""
_log = structlog.get_logger("recount")


class SpentCounter(msgspec.Struct, frozen=True, kw_only=True, rename={"name": "k", "nanos": "c"}):
    """One counter, as the script reads it."""

    name: str
    nanos: int
    ttl: int


class _StreamEntry(msgspec.Struct):
    """What the count needs of a line in the stream."""

    id: str
    at: float
    project: str
    key_id: str
    outcome: str
    end_user: str | None = None
    cost_nanos: int = 0


class BudgetRebuild:
    """Counts the ledger into Redis, once for all processes that ask at the same time."""

    def __init__(  # a parameter for each part
        self,
        link: RedisLink,
        postgres: Postgres,
        *,
        prefix: str,
        clock: Clock,
        grace_seconds: float,
        ids: IdSource = new_id,
    ) -> None:
        """`grace_seconds` is how long processes have to say what their calls hold, after Redis lost its memory."""
        self._link = link
        self._postgres = postgres
        self._prefix = f"{{{prefix}}}"
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._ids = ids
        self._script = Script("rebuild_counters")
        self._invalidate = Script("invalidate_counters")
        self._sql = queries("recount")
        self._running: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def ensure(self) -> None:
        """Have the counters be true. Raises RedisUnavailable or PostgresUnavailable while that cannot be."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._rebuild(), name="recount")
            self._running.add_done_callback(_ignore_error)
        await asyncio.shield(self._running)

    def schedule(self) -> None:
        """Have them be true in a while; nobody waits for it."""
        running = self._running is not None and not self._running.done()
        if not running and self._clock.monotonic() >= self._not_before:
            self._not_before = self._clock.monotonic() + _SCHEDULE_SECONDS
            self._running = asyncio.create_task(self._rebuild(), name="recount")
            self._running.add_done_callback(_ignore_error)

    async def invalidate(self, request_ids: Sequence[str] = ()) -> None:
        """Have the ledger counted before a budget is spent: it may have lines not charged. Raises RedisUnavailable.

        The calls `written` have their own lines in PostgreSQL by now: they hold nothing any more.
        """
        await self._link.run(self._invalidate, (), (self._prefix, *request_ids))

    async def close(self) -> None:
        """Stop; another process may count."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError, StoreError):
                await self._running

    async def _rebuild(self) -> None:
        await self._postgres.ping()  # before anybody waits for what cannot come
        name = self._ids("count_")
        for _ in range(_MAX_TRIES):
            match await self._run("begin", name, int(_REBUILD_SECONDS * 1000), self._grace_seconds):
                case [b"counted"]:
                    return
                case [b"wait", seconds]:
                    await asyncio.sleep(float(seconds))
                case _:
                    counters = await self._sum_ledger(await self._read_stream())
                    if await self._run("set", name, msgspec.json.encode(counters)):
                        _log.info("budgets counted from the ledger", counters=len(counters), name=name)
                        return
        raise RedisUnavailable("The budgets' counters cannot be rebuilt: another process is at it, and does not end.")

    async def _run(self, turn: str, *args: str | bytes | float) -> list[bytes] | int:
        reply: list[bytes] | int = await self._link.run(self._script, (), (self._prefix, turn, *args))
        return reply

    async def _read_stream(self) -> list[_StreamEntry]:
        """The lines that are not in PostgreSQL yet."""
        lines: list[_StreamEntry] = []
        after = b"-"
        while True:
            page = await self._link.command("XRANGE", f"{self._prefix}:ledger", after, "+", "COUNT", _PAGE_SIZE)
            for _, fields in page:
                with contextlib.suppress(msgspec.DecodeError):  # no line of ours; PostgreSQL will not take it either
                    lines.append(msgspec.json.decode(fields[1], type=_StreamEntry))
            if len(page) < _PAGE_SIZE:
                return [line for line in lines if line.cost_nanos or line.outcome != "ok"]
            after = b"(" + page[-1][0]

    async def _sum_ledger(self, waiting: Sequence[_StreamEntry]) -> list[SpentCounter]:
        now = self._clock.now()
        periods = {
            (each.day, each.month): each
            for each in map(period_of, (now - _CLOCK_SKEW_SECONDS, now + _CLOCK_SKEW_SECONDS))
        }
        lines = msgspec.json.encode(waiting).decode()
        async with self._postgres.connection() as connection, connection.transaction(isolation="repeatable_read"):
            await connection.execute("SELECT 1")  # which takes the snapshot
            journal = await self._run("journal")
            ids = [] if isinstance(journal, int) else [one.decode() for one in journal]
            counters: dict[str, SpentCounter] = {}
            for period in periods.values():
                rows = await connection.fetch(self._sql["spent"], period.day, period.month, lines, ids)
                counters |= {counter.name: counter for row in rows for counter in _counters(dict(row), period)}
        return list(counters.values())


def _counters(row: dict[str, object], period: BudgetPeriod) -> Iterator[SpentCounter]:
    scope = _scope(row)
    if scope is not None:
        yield SpentCounter(name=f"{scope}:{period.day}", nanos=int(str(row["day_nanos"])), ttl=_DAY_TTL)
        yield SpentCounter(name=f"{scope}:{period.month}", nanos=int(str(row["month_nanos"])), ttl=_MONTH_TTL)


def _scope(row: dict[str, object]) -> str | None:
    match row["kind"]:
        case "all":
            return ALL_CALLERS
        case "project":
            return f"project/{row['project']}"
        case "key":
            return f"key/{row['key_id']}"
        case _:
            return None if row["end_user"] is None else f"user/{row['project']}/{row['end_user']}"


def _ignore_error(counting: "asyncio.Task[None]") -> None:
    # an error nobody waited for is no error of the program
    if not counting.cancelled():
        counting.exception()

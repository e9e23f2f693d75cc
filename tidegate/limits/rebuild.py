"""Rebuild the budget counters in Redis from the ledger, after Redis has lost its data.

`AdmissionController` calls this before a budget is spent; the ledger's drainer invalidates the counters after it has
replayed entries from disk. The ledger is in two places, PostgreSQL and the stream in Redis, and requests go on while it
is summed. What they are charged meanwhile is kept in a journal. In this order each request is counted once:
  1. begin: from now on there is a journal
  2. read the entries in the stream; entries that leave it after this are in PostgreSQL
  3. take PostgreSQL's snapshot
  4. read the journal: requests whose entries have reached PostgreSQL since the beginning are in it
  5. sum the entries of 2 and 3 without the requests of 4
  6. set the counters to the sums, and add the charges of the journal
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import msgspec
import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable, StoreError
from tidegate.core.ids import IdSource, new_id
from tidegate.limits.budget_calendar import UTC_CALENDAR, BudgetCalendar, BudgetPeriod
from tidegate.limits.budget_store import COUNTED, WITH_WEEKS
from tidegate.limits.scopes import ALL_CALLERS, project_scope, tag_scope, user_scope
from tidegate.storage.names import RedisNames
from tidegate.storage.postgres import Postgres, queries
from tidegate.storage.redis import RedisLink, Script

_DAY_TTL, _WEEK_TTL, _MONTH_TTL = 3 * 86_400, 15 * 86_400, 63 * 86_400
_REBUILD_SECONDS = 20.0
"""After this time another process may begin a rebuild of its own."""
_MAX_TRIES = 200
_SCHEDULE_SECONDS = 5.0
_PAGE_SIZE = 1000
_CLOCK_SKEW_SECONDS = 60.0
"""Seconds around midnight in which the counters of both days are rebuilt, because clocks may differ."""
_log = structlog.get_logger("rebuild")


class SpentCounter(msgspec.Struct, frozen=True, kw_only=True, rename={"scope": "n", "period": "d", "nanos": "c"}):
    """One `spent` counter, as the script `rebuild_counters` reads it."""

    scope: str
    period: str
    nanos: int
    ttl: int


class _StreamEntry(msgspec.Struct):
    """The fields of a ledger entry in the stream that the rebuild needs."""

    id: str
    at: float
    project: str
    key_id: str
    outcome: str
    end_user: str | None = None
    cost_nanos: int = 0
    tags: dict[str, str] | None = None


class BudgetRebuild:
    """Sum the ledger into Redis. Processes that need it at the same time share one rebuild."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        link: RedisLink,
        postgres: Postgres,
        *,
        prefix: str,
        clock: Clock,
        grace_seconds: float,
        calendar: BudgetCalendar = UTC_CALENDAR,
        max_names: int = 100_000,
        ids: IdSource = new_id,
    ) -> None:
        """`grace_seconds` is the time that processes have to restore reservations after Redis has lost its data.

        Of the end users, and tags, of a project, `max_names` are counted: those that have spent most.
        """
        self._link = link
        self._postgres = postgres
        names = RedisNames(prefix)
        self._prefix, self._stream_key = names.tag, names.of("ledger")
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._calendar = calendar
        self._max_names = max_names
        self._ids = ids
        self._script = Script("rebuild_counters")
        self._invalidate = Script("invalidate_counters")
        sql = queries("recount")
        self._spent, self._spent_by_tag = (f"WITH {sql['calls']}\n{sql[name]}" for name in ("spent", "spent_by_tag"))
        self._running: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def ensure(self) -> None:
        """Return once the counters are valid. Raises RedisUnavailable or PostgresUnavailable if they cannot be."""
        if self._running is None or self._running.done():
            self._running = self._start()
        await asyncio.shield(self._running)

    def schedule(self) -> None:
        """Start a rebuild in the background, unless one was started in the last few seconds."""
        running = self._running is not None and not self._running.done()
        if not running and self._clock.monotonic() >= self._not_before:
            self._not_before = self._clock.monotonic() + _SCHEDULE_SECONDS
            self._running = self._start()

    async def invalidate(self, request_ids: Sequence[str] = ()) -> None:
        """Invalidate the counters: the ledger may have entries that were not charged. Raises RedisUnavailable.

        The requests `request_ids` have their own entries in PostgreSQL by now: their reservations are released.
        """
        await self._link.run(self._invalidate, (), (self._prefix, *request_ids))

    async def close(self) -> None:
        """Stop; another process may rebuild the counters."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError, StoreError):
                await self._running

    def _start(self) -> "asyncio.Task[None]":
        rebuild = asyncio.create_task(self._rebuild(), name="budget-rebuild")
        rebuild.add_done_callback(_note_error)
        return rebuild

    async def _rebuild(self) -> None:
        await self._postgres.ping()  # fail now if PostgreSQL is away, before other processes wait for this rebuild
        zone = self._calendar.label
        name = f"{COUNTED}{zone}{':' if zone else ''}{self._ids('count_')}{WITH_WEEKS}"
        for _ in range(_MAX_TRIES):
            match await self._run("begin", name, int(_REBUILD_SECONDS * 1000), self._grace_seconds):
                case [b"counted"]:
                    return
                case [b"wait", seconds]:
                    await asyncio.sleep(float(seconds))
                case _:
                    counters = await self._sum_ledger(await self._read_stream())
                    if await self._run("set", name, msgspec.json.encode(counters)):
                        _log.info("budget counters rebuilt from the ledger", counters=len(counters), name=name)
                        return
        raise RedisUnavailable("The budget counters were not rebuilt: a rebuild by another process does not end.")

    async def _run(self, step: str, *args: str | bytes | float) -> list[bytes] | int:
        reply: list[bytes] | int = await self._link.run(self._script, (), (self._prefix, step, *args))
        return reply

    async def _read_stream(self) -> list[_StreamEntry]:
        """Return the entries that are not in PostgreSQL yet."""
        entries: list[_StreamEntry] = []
        after = b"-"
        while True:
            page = await self._link.command("XRANGE", self._stream_key, after, "+", "COUNT", _PAGE_SIZE)
            for _, fields in page:
                with contextlib.suppress(msgspec.DecodeError):  # not a ledger entry; the drainer drops it, too
                    entries.append(msgspec.json.decode(fields[1], type=_StreamEntry))
            if len(page) < _PAGE_SIZE:
                return [entry for entry in entries if entry.cost_nanos or entry.outcome != "ok"]
            after = b"(" + page[-1][0]

    async def _sum_ledger(self, stream_entries: Sequence[_StreamEntry]) -> list[SpentCounter]:
        now = self._clock.now()
        periods = {
            (each.day, each.month): each
            for each in map(self._calendar.period, (now - _CLOCK_SKEW_SECONDS, now + _CLOCK_SKEW_SECONDS))
        }
        lines = msgspec.json.encode(stream_entries).decode()
        async with self._postgres.connection() as connection, connection.transaction(isolation="repeatable_read"):
            await connection.execute("SELECT 1")  # this statement takes the snapshot
            journal = await self._run("journal")
            ids = [] if isinstance(journal, int) else [one.decode() for one in journal]
            counters: dict[tuple[str, str], SpentCounter] = {}
            for period in periods.values():
                for query in (self._spent, self._spent_by_tag):
                    bounds = (period.day_start, period.midnight, period.month_start, period.month_end)
                    week = (period.week_start, period.week_end)
                    rows = await connection.fetch(query, *bounds, lines, ids, *week, self._max_names)
                    counters |= {
                        (counter.scope, counter.period): counter
                        for row in rows
                        for counter in _counters(dict(row), period)
                    }
        return list(counters.values())


def _counters(row: dict[str, object], period: BudgetPeriod) -> Iterator[SpentCounter]:
    scope = _scope(row)
    if scope is not None:
        yield SpentCounter(scope=scope, period=period.day, nanos=int(str(row["day_nanos"])), ttl=_DAY_TTL)
        yield SpentCounter(scope=scope, period=period.week, nanos=int(str(row["week_nanos"])), ttl=_WEEK_TTL)
        yield SpentCounter(scope=scope, period=period.month, nanos=int(str(row["month_nanos"])), ttl=_MONTH_TTL)


def _scope(row: dict[str, object]) -> str | None:
    match row["kind"]:
        case "all":
            return ALL_CALLERS
        case "project":
            return project_scope(str(row["project"]))
        case "key":
            return f"key/{row['key_id']}"
        case "tag":
            return tag_scope(str(row["project"]), str(row["name"]), str(row["value"]))
        case _:
            return None if row["end_user"] is None else user_scope(str(row["project"]), str(row["end_user"]))


def _note_error(rebuild: "asyncio.Task[None]") -> None:
    error = None if rebuild.cancelled() else rebuild.exception()
    if error is not None and not isinstance(error, StoreError):  # a store that is away logs that itself
        _log.error("budget counters not rebuilt", exc_info=error)

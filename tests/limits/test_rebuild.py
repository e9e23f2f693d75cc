"""Counters rebuilt from the ledger contain every request once, wherever its entry is and whatever happens meanwhile."""

import asyncio
import time
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until
from tests.limits.script_parts import NOON, ScriptCalls, ledger_sums
from tidegate.core.clock import ManualClock
from tidegate.core.errors import PostgresUnavailable
from tidegate.limits.decision import RebuildNeeded, SendUpstream
from tidegate.limits.rebuild import BudgetRebuild
from tidegate.limits.scopes import LimitScope
from tidegate.metering.ledger.store import LedgerStore
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink, Script

HOUR, DAY = 3600.0, 86_400.0
TODAY, WEEK, MONTH = "2026-11-27", "2026-W48", "2026-11"
TUESDAY = NOON + 4 * DAY
"""The first of December."""
KEY = (LimitScope(name="key/449", budget_day=10**9), LimitScope(name="project/shop"), LimitScope(name="all"))


class LedgerSetup:
    """An empty Redis, and a ledger."""

    def __init__(self, link: RedisLink, postgres: Postgres, prefix: str, clock: ManualClock) -> None:
        self.calls = ScriptCalls(link, prefix)
        self.store = LedgerStore(postgres)
        self.clock = clock
        self.rebuild = BudgetRebuild(link, postgres, prefix=prefix, clock=clock, grace_seconds=0.0)

    def set_time(self, moment: float) -> None:
        """Set the time."""
        self.clock.advance(moment - self.clock.now())

    async def add_stored(self, name: str, cost: int, **fields: Any) -> None:
        """Add an entry in PostgreSQL."""
        await self.store.write([ledger_entry(name, cost, **fields)])

    async def add_streamed(self, name: str, cost: int, **fields: Any) -> None:
        """Add an entry in the stream."""
        await self.calls.link.command(
            "XADD", f"{self.calls.key_prefix}:ledger", "*", "e", ledger_entry(name, cost, **fields)
        )

    async def spent(self, scope: str, period: str = TODAY) -> int:
        return await self.calls.counter("spent", scope, period)

    async def drain(self) -> None:
        """Move all entries to PostgreSQL, as the drainer does."""
        entries = await self.calls.link.command("XRANGE", f"{self.calls.key_prefix}:ledger", "-", "+")
        if entries:
            await self.store.write([fields[1] for _, fields in entries])
            await self.calls.link.command("XDEL", f"{self.calls.key_prefix}:ledger", *(name for name, _ in entries))


def ledger_entry(
    name: str,
    cost: int,
    *,
    at: float = NOON,
    outcome: str = "ok",
    user: str | None = None,
    tags: dict[str, str] | None = None,
) -> bytes:
    return msgspec.json.encode(
        {
            "id": name, "at": at, "project": "shop", "key_id": "449", "end_user": user, "route": "chat",
            "model": "gpt-4o-mini", "outcome": "ok" if outcome == "hit" else outcome,
            "cache": "hit" if outcome == "hit" else "miss", "stream": False, "cost_nanos": cost,
            "tags": tags,
        }
    )  # fmt: skip


@pytest.fixture
def ledger(redis_link: RedisLink, postgres: Postgres, redis_prefix: str) -> LedgerSetup:
    return LedgerSetup(redis_link, postgres, redis_prefix, ManualClock(NOON))


async def test_the_ledger_is_summed_by_scope_day_and_month(ledger: LedgerSetup) -> None:
    await ledger.add_stored("a", 5, user="ann")
    await ledger.add_stored("b", 7, at=NOON - 2 * DAY)
    await ledger.add_stored("c", 11, at=NOON - 40 * DAY)
    await ledger.add_streamed("d", 13, user="ann")
    await ledger.rebuild.ensure()
    for scope, today, month in (
        ("all", 18, 25), ("project/shop", 18, 25), ("key/449", 18, 25), ("user/shop/ann", 18, 18),
        ("user/shop/None", 0, 0),
    ):  # fmt: skip
        assert (await ledger.spent(scope), await ledger.spent(scope, MONTH)) == (today, month), scope


async def test_a_week_is_summed_beyond_the_months_first_day(ledger: LedgerSetup) -> None:
    ledger.set_time(TUESDAY)
    await ledger.add_stored("a", 5, at=TUESDAY)
    await ledger.add_stored("b", 7, at=TUESDAY - DAY)
    await ledger.add_streamed("c", 11, at=TUESDAY - 2 * DAY)
    await ledger.rebuild.ensure()
    for scope in ("all", "project/shop", "key/449"):
        spent = [await ledger.spent(scope, period) for period in ("2026-12-01", "2026-W49", "2026-12")]
        assert spent == [5, 12, 5], scope
    assert (await ledger.calls.link.command("GET", f"{ledger.calls.key_prefix}:counted")).endswith(b"+week")


async def test_tags_with_a_budget_are_summed_wherever_their_entries_are(
    ledger: LedgerSetup, postgres: Postgres
) -> None:
    async with postgres.connection() as connection:
        await connection.execute("INSERT INTO projects (id, created_at) VALUES ('shop', now())")
        await connection.execute(
            "INSERT INTO tag_budgets VALUES ('shop', 'tenant', 'acme', 1, NULL), ('shop', 'feature', '*', NULL, 1)"
        )
    await ledger.add_stored("a", 5, tags={"tenant": "acme", "feature": "a/b:c"})
    await ledger.add_stored("b", 7, tags={"tenant": "globex"}, at=NOON - 2 * DAY)
    await ledger.add_stored("c", 11, tags={"feature": "chat"}, at=NOON - 2 * DAY)
    await ledger.add_streamed("d", 13, tags={"tenant": "acme"})
    await ledger.add_streamed("e", 17)
    await ledger.rebuild.ensure()
    for scope, today, month in (
        ("all", 35, 53), ("tag/shop/tenant/acme", 18, 18), ("tag/shop/tenant/globex", 0, 0),
        ("tag/shop/feature/a/b%3Ac", 5, 5), ("tag/shop/feature/chat", 0, 11),
    ):  # fmt: skip
        assert (await ledger.spent(scope), await ledger.spent(scope, MONTH)) == (today, month), scope


@pytest.mark.parametrize(
    ("written", "on_the_way", "cost"),
    [
        ([("r", 5, "ok")], [("r", 5, "ok")], 5),
        ([], [("r", 5, "ok"), ("r", 5, "ok")], 5),
        ([("r", 9, "lost")], [("r", 5, "ok")], 5),
        ([("r", 5, "ok")], [("r", 9, "lost")], 5),
        ([], [("r", 9, "lost"), ("r", 5, "ok")], 5),
        ([("r", 9, "lost")], [("r", 0, "never_sent")], 0),
        ([("r", 9, "lost")], [("s", 1, "lost")], 10),
        ([("r", 0, "hit")], [("r", 5, "ok")], 5),
        ([("r", 5, "ok")], [("r", 0, "hit")], 5),
        ([], [("r", 0, "hit"), ("r", 5, "ok")], 5),
        ([("r", 0, "hit")], [("r", 9, "lost"), ("r", 5, "ok")], 5),
    ],
)
async def test_a_call_counts_once(
    ledger: LedgerSetup, written: list[tuple[str, int, str]], on_the_way: list[tuple[str, int, str]], cost: int
) -> None:
    for name, nanos, outcome in written:
        await ledger.add_stored(name, nanos, outcome=outcome)
    for name, nanos, outcome in on_the_way:
        await ledger.add_streamed(name, nanos, outcome=outcome)
    await ledger.rebuild.ensure()
    assert await ledger.spent("all") == cost


async def test_a_stream_entry_that_is_no_ledger_entry_is_skipped(ledger: LedgerSetup) -> None:
    await ledger.calls.link.command("XADD", f"{ledger.calls.key_prefix}:ledger", "*", "e", b"nonsense")
    await ledger.add_streamed("r", 5)
    await ledger.rebuild.ensure()
    assert await ledger.spent("all") == 5


async def test_a_long_stream_is_read_to_its_end(ledger: LedgerSetup) -> None:
    for number in range(2300):
        await ledger.add_streamed(f"r{number}", 1)
    await ledger.rebuild.ensure()
    assert await ledger.spent("all") == 2300


async def test_counters_that_were_too_high_are_put_right(ledger: LedgerSetup) -> None:
    await ledger.rebuild.ensure()
    await ledger.add_stored("r", 0, outcome="upstream_timeout")
    for scope in ("all", "key/449"):
        await ledger.calls.link.command("SET", f"{ledger.calls.key_prefix}:spent:{scope}:{TODAY}", 99)
    await ledger.rebuild.ensure()
    assert await ledger.spent("all") == 99
    await ledger.rebuild.invalidate()
    await ledger.rebuild.ensure()
    assert (await ledger.spent("all"), await ledger.spent("key/449")) == (0, 0)


async def test_around_midnight_both_days_are_rebuilt(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str
) -> None:
    first = NOON + 3 * DAY + 12 * HOUR  # 2026-12-01, 00:00
    ledger = LedgerSetup(redis_link, postgres, redis_prefix, ManualClock(first + 5))
    await ledger.add_stored("before", 5, at=first - 1)
    await ledger.add_stored("after", 7, at=first + 1)
    await ledger.rebuild.ensure()
    spent = [await ledger.spent("all", period) for period in ("2026-11-30", "2026-11", "2026-12-01", "2026-12")]
    assert spent == [5, 5, 7, 7]


async def test_many_requests_share_one_rebuild(ledger: LedgerSetup, redis_link: RedisLink, postgres: Postgres) -> None:
    others = [
        BudgetRebuild(redis_link, postgres, prefix=ledger.calls.prefix, clock=ManualClock(NOON), grace_seconds=0.0)
        for _ in range(5)
    ]
    await ledger.add_streamed("r", 5)
    await asyncio.gather(*(one.ensure() for one in [ledger.rebuild, *others] for _ in range(5)))
    assert await ledger.spent("all") == 5


async def test_processes_have_time_to_restore_their_reservations(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str
) -> None:
    recount = BudgetRebuild(redis_link, postgres, prefix=redis_prefix, clock=ManualClock(NOON), grace_seconds=2.0)
    begun = time.monotonic()
    await recount.ensure()
    assert time.monotonic() - begun >= 1.95
    await recount.invalidate()
    begun = time.monotonic()
    await recount.ensure()
    assert time.monotonic() - begun < 1.95  # the memory is the same


async def test_of_many_end_users_those_that_spent_most_are_counted(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str, ledger: LedgerSetup
) -> None:
    recount = BudgetRebuild(
        redis_link, postgres, prefix=redis_prefix, clock=ManualClock(NOON), grace_seconds=0.0, max_names=2
    )
    for number in range(5):
        await ledger.add_stored(f"r{number}", 10 + number, user=f"user{number}")
    await recount.ensure()
    assert [await ledger.spent(f"user/shop/user{number}") for number in range(5)] == [0, 0, 0, 13, 14]
    assert await ledger.spent("project/shop") == sum(range(10, 15))


async def test_without_postgres_nothing_is_rebuilt(ledger: LedgerSetup, redis_link: RedisLink) -> None:
    away = Postgres("postgresql://nobody@127.0.0.1:1/none", size=1, timeout=1.0)
    recount = BudgetRebuild(redis_link, away, prefix=ledger.calls.prefix, clock=ManualClock(NOON), grace_seconds=0.0)
    with pytest.raises(PostgresUnavailable):
        await recount.ensure()
    recount.schedule()
    await recount.close()
    await away.close()
    assert isinstance(await ledger.calls.admit("r", KEY, cost_nanos=1), RebuildNeeded)


async def test_a_defect_in_a_scheduled_rebuild_is_logged(redis_link: RedisLink, redis_prefix: str) -> None:
    class Broken(Postgres):
        async def ping(self) -> None:
            raise ZeroDivisionError("an injected defect")

    postgres = Broken("postgresql://nobody@127.0.0.1:1/none", size=1, timeout=1.0)
    rebuild = BudgetRebuild(redis_link, postgres, prefix=redis_prefix, clock=ManualClock(NOON), grace_seconds=0.0)
    with capture_logs() as logs:
        rebuild.schedule()
        await wait_until(lambda: bool(logs))
    await postgres.close()
    assert [(log["event"], log["log_level"]) for log in logs] == [("budget counters not rebuilt", "error")]


async def test_requests_go_on_during_a_rebuild(ledger: LedgerSetup) -> None:
    """Requests that are settled, retried, lost and drained in any order are counted once."""
    calls = ledger.calls
    free = (LimitScope(name="key/449"), LimitScope(name="project/shop"), LimitScope(name="all"))
    over = asyncio.Event()

    async def caller(who: int) -> None:
        for number in range(60):
            request = calls.request(f"{who}-{number}", free, cost_nanos=100, claim=False, lookup=False)
            decision = await calls.scripts.admit(request)
            assert isinstance(decision, SendUpstream)
            for late in (False, True)[: 1 + number % 2]:
                await calls.settle(request, decision.dataset_id, cost_nanos=number, late=late)

    async def drainer() -> None:
        while not over.is_set():
            await ledger.drain()
            await asyncio.sleep(0.003)

    async def counter() -> None:
        while not over.is_set():
            await ledger.rebuild.ensure()
            await asyncio.sleep(0.002)
            await ledger.rebuild.invalidate()

    background = [asyncio.create_task(drainer()), asyncio.create_task(counter())]
    await asyncio.gather(*(caller(who) for who in range(5)))
    over.set()
    await asyncio.gather(*background)
    await ledger.rebuild.ensure()
    assert await ledger.spent("all") == await ledger.spent("key/449", MONTH) == 5 * sum(range(60))


async def test_lost_and_late_calls_agree_with_the_ledger(ledger: LedgerSetup) -> None:
    calls = ledger.calls
    await ledger.rebuild.ensure()
    requests = [calls.request(f"r{number}", KEY, cost_nanos=100) for number in range(6)]
    dataset_ids = [
        decision.dataset_id
        for request in requests
        if isinstance(decision := await calls.scripts.admit(request), SendUpstream)
    ]
    await calls.settle(requests[0], dataset_ids[0], cost_nanos=10)
    await calls.admit("probe", (), now=NOON + 31)  # the others are lost
    await calls.settle(requests[1], dataset_ids[1], cost_nanos=20, late=True)
    await ledger.rebuild.invalidate()
    await calls.settle(requests[2], dataset_ids[2], cost_nanos=30)
    await ledger.rebuild.ensure()
    await calls.settle(requests[3], dataset_ids[3], cost_nanos=40)
    expected = ledger_sums(await calls.ledger_entries())
    assert expected == {"r0": 10, "r1": 20, "r2": 30, "r3": 40, "r4": 100, "r5": 100}
    assert await ledger.spent("key/449") == sum(expected.values())


@pytest.mark.parametrize("lost", [False, True])
async def test_a_request_whose_entry_was_replayed_from_disk_is_released_and_not_lost(
    ledger: LedgerSetup, lost: bool
) -> None:
    calls = ledger.calls
    await ledger.rebuild.ensure()
    assert isinstance(await calls.scripts.admit(calls.request("r", KEY, cost_nanos=100)), SendUpstream)
    if lost:
        await calls.admit("probe", (), now=NOON + 31)
    await ledger.add_stored("r", 30)
    await ledger.rebuild.invalidate(["r", "unheard of"])
    await ledger.rebuild.ensure()
    await calls.admit("another probe", (), now=NOON + 62)
    assert (await ledger.spent("key/449"), await calls.counter("held", "key/449", TODAY)) == (30, 0)


@pytest.mark.parametrize("lost", [False, True])
async def test_an_entry_replayed_from_disk_is_counted_once(ledger: LedgerSetup, lost: bool) -> None:
    """A settlement fails: its entry reaches the ledger, and is summed, before Redis gets the settlement."""
    calls = ledger.calls
    await ledger.rebuild.ensure()
    request = calls.request("r", KEY, cost_nanos=100)
    admitted = await calls.scripts.admit(request)
    assert isinstance(admitted, SendUpstream)
    if lost:
        await calls.admit("probe", (), now=NOON + 31)
    await ledger.add_stored("r", 30)
    await ledger.rebuild.invalidate()
    await ledger.rebuild.ensure()
    await calls.settle(request, admitted.dataset_id, cost_nanos=30, late=True)
    await ledger.rebuild.ensure()
    assert (await ledger.spent("key/449"), await calls.counter("held", "key/449", TODAY)) == (30, 0)


@pytest.mark.parametrize("noticed", [False, True])
async def test_a_lost_call_that_ends_while_the_ledger_is_read_is_counted_once(
    ledger: LedgerSetup, noticed: bool
) -> None:
    """Its entry that says `lost` is in the sum, unless the journal showed the rebuild that the request had ended."""
    calls, p = ledger.calls, ledger.calls.key_prefix
    await ledger.rebuild.ensure()
    request = calls.request("r", KEY, cost_nanos=100)
    admitted = await calls.scripts.admit(request)
    assert isinstance(admitted, SendUpstream)
    await calls.admit("probe", (), now=NOON + 31)  # it is lost
    await ledger.rebuild.invalidate()
    script = Script("rebuild_counters")
    await calls.link.run(script, (), (p, "begin", "count", 60_000, 0))
    if noticed:
        await calls.settle(request, admitted.dataset_id, cost_nanos=30)
    assert await calls.link.run(script, (), (p, "journal")) == ([b"r"] if noticed else [])
    if not noticed:
        await calls.settle(request, admitted.dataset_id, cost_nanos=30)
    summed = [{"n": "key/449", "d": TODAY, "c": 0 if noticed else 100, "ttl": 1000}]
    assert await calls.link.run(script, (), (p, "set", "count", msgspec.json.encode(summed))) == 1
    assert await ledger.spent("key/449") == 30

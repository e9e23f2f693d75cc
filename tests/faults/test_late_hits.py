"""A stored answer that Redis names too late is asked for after all, and the ledger has what that cost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import psycopg
import pytest
import redis

from benchmarks.books import EXACT, Books
from benchmarks.mixed_calls import Mix, make
from tests.eventually import wait_until, wait_until_async
from tests.faults.own_parts import PREFIX, breakable_gateway
from tests.faults.proxy import FaultProxy, Mode
from tests.gateway.test_budgets import DOLLAR
from tests.gateway.test_exactness import charges, lines
from tests.gateway.test_limits import WIDE, limited
from tests.harness import Gateway, World, ask
from tidegate.core.clock import SystemClock
from tidegate.limits.budget_calendar import period_of
from tidegate.simulator import Options, running
from tidegate.storage.embedded import StoreUrls

TIMEOUT = 0.3
QUICK = {"redis": {"prefix": PREFIX, "timeout_seconds": TIMEOUT}}
CALLS, CALLERS = 300, 12
REFUSED = "fault='refused_"
"""Calls that the upstream refuses inside a 200 and yet charges for: they differ without any fault of Redis, too."""


@pytest.fixture
async def world(own_stores: StoreUrls, tmp_path: Path) -> AsyncIterator[World]:
    with psycopg.connect(own_stores.database_url, autocommit=True) as database:
        database.execute("TRUNCATE ledger")
    with redis.Redis.from_url(own_stores.redis_url) as client:
        client.flushall()
    async with (
        running(Options(remember=10 * CALLS)) as upstream_url,
        World(own_stores, PREFIX, upstream_url, tmp_path) as world,
    ):
        yield world


@pytest.mark.parametrize("mode", [Mode.SLOW, Mode.CUT, Mode.FREEZE])
async def test_the_line_of_what_was_asked_wins(mode: Mode, world: World) -> None:
    async with breakable_gateway(world, **QUICK) as ways:
        stored = await ways.gateway.chat(ask("tide"))
        await world.ledger_entries(1)
        await ways.redis.set(mode, seconds=2 * TIMEOUT)
        paid = await ways.gateway.chat(ask("tide"))
        await ways.redis.set(Mode.PASS)

        assert (paid.status, paid.headers["x-tidegate-cache"]) == (200, "miss")
        entries = {entry["id"]: entry for entry in await world.ledger_entries(2)}
        entry = entries[paid.headers["x-request-id"]]
        assert (entry["cache"], entry["outcome"], entry["attempts"]) == ("miss", "ok", 1)
        assert entry["cost_nanos"] == entries[stored.headers["x-request-id"]]["cost_nanos"] > 0
        assert entry["output_tokens"] > 0
        assert entry["saved_nanos"] == 0
    assert await world.calls() == 2


async def test_with_redis_late_frozen_and_cut_at_random_ledger_counters_and_bill_agree(
    world: World, own_stores: StoreUrls
) -> None:
    free = [(await world.make_key(project)).token for project in ("a", "b")]
    poor = (await limited(world, "a", budget_day=DOLLAR)).removeprefix("Bearer ")
    dice = Random(3)  # noqa: S311  # repeatable on purpose
    groups = Mix(dice).groups(CALLS)
    sections = {"upstream": {**WIDE, "first_byte_seconds": 3.0, "idle_seconds": 3.0}, "budgets": {"lease_seconds": 2.0}}
    async with contextlib.AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(breakable_gateway(world, **QUICK, **sections)) for _ in range(2)]

        async def caller() -> None:
            for group in groups:
                key, url = dice.choice([*free, *free, poor]), dice.choice(ways).gateway.base_url
                await asyncio.gather(*(make(world.http, asked, base_url=url, key=key) for asked in group))

        faults = asyncio.create_task(at_random([each.redis for each in ways], dice))
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        faults.cancel()
        await asyncio.gather(*(each.redis.set(Mode.PASS) for each in ways), faults, return_exceptions=True)
        await world.wait_for_stats(in_flight=0)
        with redis.Redis.from_url(own_stores.redis_url) as client:
            await wait_until(lambda: not client.hlen(f"{{{PREFIX}}}:holds"))
        await world.all_entries()
        await wait_until_async(lambda: is_answered(ways[0].gateway, poor))
        books = Books(await lines(world), await charges(world))
        assert [line for line in books.complaints if f": {EXACT}, " in line and REFUSED not in line] == []
        with redis.Redis.from_url(own_stores.redis_url) as client:
            counted = int(client.get(f"{{{PREFIX}}}:spent:all:{period_of(SystemClock().now()).day}") or 0)
        assert counted == books.booked


async def is_answered(gateway: Gateway, key: str) -> bool:
    """Call with a budget, which has the counters rebuilt from the ledger first; return whether it is answered."""
    body = ask("last", user="last", model="gpt-4o-mini-2024-07-18", max_tokens=20)
    return (await gateway.chat(body, authorization=f"Bearer {key}")).status == 200


async def at_random(proxies: list[FaultProxy], dice: Random) -> None:
    """Trouble the connections, each for as long as a few calls take, until cancelled."""
    while True:
        proxy, mode = dice.choice(proxies), dice.choice([Mode.SLOW, Mode.FREEZE, Mode.CUT, Mode.RESET])
        await proxy.set(mode, seconds=dice.uniform(0, 2 * TIMEOUT), after=dice.randrange(2000))
        await asyncio.sleep(dice.uniform(0, 3 * TIMEOUT))
        await proxy.set(Mode.PASS)
        await asyncio.sleep(dice.uniform(0, TIMEOUT))

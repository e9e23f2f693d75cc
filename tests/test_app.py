"""The application is put together from its settings, and leaves nothing behind when it is taken apart."""

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from tests.harness import STREAM, World, ask
from tidegate import app
from tidegate.core.config import ConfigError, MeteringConfig, Settings
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


@pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(database_url=SecretStr("postgresql://x")), Settings(redis_url=SecretStr("redis://x"))],
)
def test_it_needs_both_stores(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="tidegate run"):
        app.build(settings)


def test_a_price_list_that_cannot_be_used_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text("{}")
    metering = MeteringConfig(price_file=tmp_path / "prices.json")
    settings = Settings(database_url=SecretStr("postgresql://x"), redis_url=SecretStr("redis://x"), metering=metering)
    with pytest.raises(ConfigError, match=r"metering\.price_file"):
        app.build(settings)


async def test_it_leaves_no_task_and_no_connection_behind(world: World) -> None:
    process = psutil.Process()
    await run_once(world)
    gc.collect()
    tasks, files = len(asyncio.all_tasks()), process.num_fds()
    for _ in range(3):
        await run_once(world)
    gc.collect()
    assert len(asyncio.all_tasks()) <= tasks
    assert process.num_fds() <= files


async def run_once(world: World) -> None:
    """A short life with some of everything in it."""
    async with world.gateway() as gateway:
        calls = [gateway.chat(ask(f"{number % 5}", stream=number % 2 == 0)) for number in range(20)]
        await asyncio.gather(*calls)
        async with gateway.open("/chat/completions", STREAM, x_simulate_tps="5") as response:
            await response.content.readuntil(b"\n\n")
        await gateway.chat(x_simulate_fault="truncated")
        await gateway.call("/health/upstream")
        await world.wait_for_stats(in_flight=0)


async def test_a_gateway_without_its_stores_starts_and_says_so(world: World) -> None:
    away = {"database_url": "postgresql://nobody@127.0.0.1:9/x", "redis_url": "redis://127.0.0.1:9"}
    async with world.gateway(**away, database={"timeout_seconds": 0.5}) as gateway:
        assert (await gateway.call("/livez")).status == 200
        ready = await gateway.call("/readyz")
        assert (ready.status, ready.json["degraded"]) == (200, ["postgres", "redis"])
        refused = await gateway.chat()
        assert (refused.status, refused.error["code"]) == (503, "postgres_unavailable")

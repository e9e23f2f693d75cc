"""One project fills Redis with its answers: the others lose no call, no stored answer and no ledger entry by it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import wait_until_async
from tests.gateway.test_limits import WIDE
from tests.harness import Gateway, Json, World, ask
from tests.storage.redis_servers import fill_memory, redis_server
from tidegate.auth.grants import KeyChange, LimitsChange
from tidegate.core.clock import SystemClock
from tidegate.metering.ledger.stream import stream_key
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink

MEMORY = 12 * 1024 * 1024
SECTIONS: dict[str, Any] = {
    "upstream": WIDE,
    "budgets": {"rebuild_after_seconds": 0.5},
    "monitoring": {"public_metrics": True},
}
QUESTIONS = 10


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose Redis has little memory."""
    async with (
        redis_server(tmp_path, f"maxmemory {MEMORY}", "maxmemory-policy noeviction") as port,
        running() as upstream_url,
    ):
        stores = StoreUrls(database_url=clean_stores.database_url, redis_url=f"redis://127.0.0.1:{port}")
        async with World(stores, redis_prefix, upstream_url, tmp_path) as world:
            yield world


async def key_of(world: World, project: str) -> str:
    """Return the header of a key with a budget that never ends, so that each call needs Redis."""
    granted = KeyChange(limits=LimitsChange(budget_day=10**12))
    return f"Bearer {(await world.keys.create(project=project, name='budgeted', grants=granted)).token}"


def large(number: int) -> Json:
    """Return a question whose answer takes a third of a megabyte, and cannot be compressed much."""
    return {
        "model": "text-embedding-3-small",
        "input": [f"{number}/{part}" for part in range(50)],
        "user": f"u{number}",
    }


async def fill(gateway: Gateway, key: str, *, calls: int) -> set[int]:
    """Ask distinct questions, four at a time, and return the statuses."""
    statuses: set[int] = set()
    for first in range(0, calls, 4):
        batch = [gateway.call("/embeddings", large(number), authorization=key) for number in range(first, first + 4)]
        statuses.update(answer.status for answer in await asyncio.gather(*batch))
    return statuses


async def test_a_neighbour_keeps_its_calls_its_answers_and_its_ledger(world: World) -> None:
    quiet, loud = await key_of(world, "quiet"), await key_of(world, "loud")
    questions = [ask(f"question {number}") for number in range(QUESTIONS)]
    async with world.gateway(**SECTIONS) as gateway:
        for question in questions:
            assert (await gateway.chat(question, authorization=quiet)).headers["x-tidegate-cache"] == "miss"
        filling = asyncio.create_task(fill(gateway, loud, calls=120))
        paid = 0
        while not filling.done():
            answer = await gateway.chat(ask(f"paid {paid}"), authorization=quiet)
            assert answer.status == 200, answer.text
            paid += 1
        assert await filling == {200}
        for question in questions:
            again = await gateway.chat(question, authorization=quiet)
            assert (again.status, again.headers["x-tidegate-cache"]) == (200, "hit")
        await world.ledger_entries(2 * QUESTIONS + 120 + paid)
        gauges = await gauges_of(gateway)
    assert gauges["redis_memory_limit_bytes"] == MEMORY
    assert gauges["redis_memory_bytes"] < MEMORY
    assert 0 < gauges["cache_largest_project_bytes"] < gauges["cache_bytes"] < 0.6 * MEMORY
    assert gauges["cache_largest_project_bytes"] <= 0.3 * MEMORY
    assert gauges["cache_storing"] == 1


@pytest.fixture
async def link(world: World) -> AsyncIterator[RedisLink]:
    link = RedisLink(world.stores.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()
    yield link
    await link.close()


async def test_a_redis_that_is_full_of_other_data_still_serves(world: World, link: RedisLink) -> None:
    key = await key_of(world, "shop")
    async with world.gateway(**SECTIONS) as gateway:
        caches = [await cache_of(gateway, key, "before")]
        await fill_memory(link, 1.04)
        caches += [await cache_of(gateway, key, words) for words in ("before", "during", "before", "during")]
        await world.ledger_entries(5)
        await fill_memory(link, 0.1)
    assert caches[:2] == ["miss", "hit"]


async def test_a_redis_that_is_much_too_full_is_an_outage_and_is_drained(world: World, link: RedisLink) -> None:
    budgeted, free = await key_of(world, "shop"), f"Bearer {world.key}"
    async with world.gateway(**SECTIONS) as gateway:
        await cache_of(gateway, budgeted, "before")
        await fill_memory(link, 2.0)
        refused = await gateway.chat(ask("during"), authorization=budgeted)
        assert (refused.status, refused.error["code"]) == (503, "redis_unavailable")
        await cache_of(gateway, free, "during")
        assert await is_drained(world, link)
        await fill_memory(link, 0.1)
        await cache_of(gateway, budgeted, "after")
        await world.ledger_entries(3)


async def cache_of(gateway: Gateway, key: str, words: str) -> str:
    """Make a call that succeeds; return what the cache did."""
    answer = await gateway.chat(ask(words), authorization=key)
    assert answer.status == 200, answer.text
    return answer.headers["x-tidegate-cache"]


async def is_drained(world: World, link: RedisLink) -> bool:
    async def drained() -> bool:
        return int(await link.command("XLEN", stream_key(world.prefix))) == 0

    await wait_until_async(drained)
    return True


async def gauges_of(gateway: Gateway) -> dict[str, float]:
    """Return the gauges without labels, by name, once the memory was looked at again."""
    text = ""

    async def looked() -> bool:
        nonlocal text
        async with gateway.http.get(f"{gateway.root}/metrics") as response:
            text = await response.text()
        return "tidegate_cache_bytes 0\n" not in text

    await wait_until_async(looked)
    lines = [line.removeprefix("tidegate_") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

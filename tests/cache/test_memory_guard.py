"""Answers are kept for an outage only while Redis has room for them."""

from collections.abc import AsyncIterator

import pytest

from tests.eventually import wait_until
from tidegate.cache.memory_guard import RedisMemoryGuard
from tidegate.core.clock import SystemClock
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink


@pytest.fixture
async def own(own_stores: StoreUrls) -> AsyncIterator[RedisLink]:
    """A Redis that may be told how much memory it has."""
    link = RedisLink(own_stores.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()
    yield link
    await link.command("CONFIG", "SET", "maxmemory", 0)
    await link.close()


async def used_bytes(link: RedisLink) -> int:
    told: bytes = await link.command("INFO", "memory")
    return int(told.partition(b"used_memory:")[2].partition(b"\r")[0])


async def test_there_is_room_until_three_quarters_are_full(own: RedisLink) -> None:
    room, bytes_used = RedisMemoryGuard(own), await used_bytes(own)
    for most, expected in ((0, True), (bytes_used * 2, True), (int(bytes_used * 1.1), False), (0, True)):
        await own.command("CONFIG", "SET", "maxmemory", most)
        await room.check()
        assert room.allows_stale is expected


async def test_while_redis_is_away_what_was_known_holds() -> None:
    link = RedisLink("redis://127.0.0.1:9", timeout=0.2, clock=SystemClock())
    room = RedisMemoryGuard(link)
    room.allows_stale = False
    await room.check()
    assert not room.allows_stale


async def test_it_looks_by_itself(own: RedisLink) -> None:
    room = RedisMemoryGuard(own, check_seconds=0.01)
    await room.start()
    await own.command("CONFIG", "SET", "maxmemory", int(await used_bytes(own) * 1.1))
    await wait_until(lambda: not room.allows_stale)
    await room.close()

"""Stale answers are stored only while Redis has memory for them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until
from tidegate.cache.memory_guard import RedisMemoryGuard
from tidegate.core.clock import SystemClock
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink


@pytest.fixture
async def own(own_stores: StoreUrls) -> AsyncIterator[RedisLink]:
    """A Redis that may be memory_info how much memory it has."""
    link = RedisLink(own_stores.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()
    yield link
    await link.command("CONFIG", "SET", "maxmemory", 0)
    await link.close()


async def used_bytes(link: RedisLink) -> int:
    memory_info: bytes = await link.command("INFO", "memory")
    return int(memory_info.partition(b"used_memory:")[2].partition(b"\r")[0])


async def test_stale_answers_are_stored_until_three_quarters_of_the_memory_are_used(own: RedisLink) -> None:
    guard, bytes_used = RedisMemoryGuard(own), await used_bytes(own)
    for max_bytes, expected in ((0, True), (bytes_used * 2, True), (int(bytes_used * 1.1), False), (0, True)):
        await own.command("CONFIG", "SET", "maxmemory", max_bytes)
        await guard.check()
        assert guard.allows_stale is expected


async def test_while_redis_is_down_the_last_result_stays() -> None:
    link = RedisLink("redis://127.0.0.1:9", timeout=0.2, clock=SystemClock())
    guard = RedisMemoryGuard(link)
    guard.allows_stale = False
    await guard.check()
    assert not guard.allows_stale


async def test_the_guard_checks_by_itself(own: RedisLink) -> None:
    guard = RedisMemoryGuard(own, check_seconds=0.01)
    await guard.start()
    await own.command("CONFIG", "SET", "maxmemory", int(await used_bytes(own) * 1.1))
    await wait_until(lambda: not guard.allows_stale)
    await guard.close()


class FailingOnceLink(RedisLink):
    """A link whose first command has a defect."""

    failures = 1

    async def command(self, *words: str | bytes | float) -> Any:
        """Fail once, then run the command."""
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError
        return await super().command(*words)


async def test_a_check_with_a_defect_is_logged_once_and_the_next_one_runs(own_stores: StoreUrls) -> None:
    link = FailingOnceLink(own_stores.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()
    guard = RedisMemoryGuard(link, check_seconds=0.01)
    guard.allows_stale = False
    with capture_logs() as logs:
        await guard.start()
        await wait_until(lambda: guard.allows_stale)
        await guard.close()
    await link.close()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["periodic task fails and will retry"]

"""Answers are stored only while Redis has memory for them, and the oldest go when it has not."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until, wait_until_async
from tests.limits.script_parts import ScriptCalls
from tests.storage.redis_servers import fill_memory, redis_server
from tidegate.cache.answer_space import AnswerSpace
from tidegate.cache.memory_guard import DEFAULT_MEMORY, RedisMemoryGuard
from tidegate.core.clock import SystemClock
from tidegate.core.events import Event, EventName
from tidegate.core.values import NO_QUOTA, AnswerQuota
from tidegate.storage.redis import RedisLink

PREFIX = "t"
MB = 1024 * 1024
CLOCK = SystemClock()


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A Redis that may be told how much memory it has."""
    async with redis_server(tmp_path, "maxmemory-policy noeviction") as port:
        yield port


@pytest.fixture
async def link(port: int) -> AsyncIterator[RedisLink]:
    link = RedisLink(f"redis://127.0.0.1:{port}", timeout=2.0, clock=CLOCK)
    await link.start()
    yield link
    await link.close()


GuardMaker = Callable[..., RedisMemoryGuard]


@pytest.fixture
def guard_of() -> GuardMaker:
    def make(link: RedisLink, **options: Any) -> RedisMemoryGuard:
        ratios = {"memory_ratio": 0.5, "project_ratio": 0.5}
        return RedisMemoryGuard(link, AnswerSpace(link, CLOCK, prefix=PREFIX), **{**ratios, **options})

    return make


async def store(link: RedisLink, guard: RedisMemoryGuard, numbers: range) -> None:
    """Store answers of 20 kB."""
    calls = ScriptCalls(link, PREFIX)
    for number in numbers:
        request = calls.request(str(number), [], now=CLOCK.now() + number / 1000)
        await calls.settle(request, "", cost_nanos=0, body=b"b" * 20_000, fresh_seconds=600, quota=guard.quota)


async def count(link: RedisLink) -> int:
    return len(await link.command("KEYS", f"{{{PREFIX}}}:answer:*"))


async def stores_again(guard: RedisMemoryGuard) -> bool:
    """Look once more."""
    await guard.check()
    return guard.quota != NO_QUOTA


@pytest.mark.parametrize(("ratio", "stores"), [(0.3, True), (0.65, True), (0.78, False), (1.2, False)])
async def test_nothing_is_stored_above_three_quarters(
    link: RedisLink, guard_of: GuardMaker, ratio: float, stores: bool
) -> None:
    guard = guard_of(link)
    assert guard.quota == NO_QUOTA, "before the first look"
    await fill_memory(link, ratio)
    await guard.check()
    assert (guard.quota != NO_QUOTA) is stores


async def test_storing_begins_again_below_seven_tenths(link: RedisLink, guard_of: GuardMaker) -> None:
    guard = guard_of(link)
    with capture_logs() as logs:
        for ratio, stores in ((0.8, False), (0.72, False), (0.65, True)):
            await fill_memory(link, ratio)
            await guard.check()
            assert (guard.quota != NO_QUOTA) is stores
    assert [line["event"] for line in logs] == [
        "redis is nearly full: storing no answers, dropping the oldest",
        "redis has memory again: storing answers",
    ]


async def test_the_room_is_a_part_of_the_memory_or_what_the_rest_leaves(link: RedisLink, guard_of: GuardMaker) -> None:
    guard = guard_of(link)
    await link.command("CONFIG", "SET", "maxmemory", 100 * MB)
    await guard.check()
    assert guard.quota == AnswerQuota(project_bytes=25 * MB, total_bytes=50 * MB)
    await link.command("SETRANGE", "foreign", 40 * MB, "f")
    await guard.check()
    assert 20 * MB < guard.quota.total_bytes < 30 * MB, "allocators round up"
    assert guard.quota.project_bytes == guard.quota.total_bytes // 2


@pytest.mark.parametrize(
    ("own", "configured", "limit"), [(100, None, 100), (0, 200, 200), (100, 50, 50), (100, 200, 100)]
)
async def test_the_smallest_bound_holds(
    link: RedisLink, guard_of: GuardMaker, own: int, configured: int | None, limit: int
) -> None:
    await link.command("CONFIG", "SET", "maxmemory", own * MB)
    guard = guard_of(link, max_memory_bytes=configured and configured * MB)
    await guard.check()
    assert guard.memory.limit == limit * MB


async def test_without_a_bound_the_memory_of_the_machine_is_one(link: RedisLink, guard_of: GuardMaker) -> None:
    guard = guard_of(link)
    await guard.check()
    info = await link.command("INFO", "memory")
    assert guard.memory.limit == int(info.partition(b"total_system_memory:")[2].partition(b"\r")[0])


async def test_a_redis_that_evicts_is_reported_once(link: RedisLink, guard_of: GuardMaker) -> None:
    guard = guard_of(link)
    with capture_logs() as logs:
        for policy in ("noeviction", "allkeys-lru", "allkeys-lru", "noeviction"):
            await link.command("CONFIG", "SET", "maxmemory-policy", policy)
            await guard.check()
    assert [(line["event"], line["policy"]) for line in logs] == [
        ("redis may evict budgets and ledger entries", "allkeys-lru")
    ]


async def test_old_answers_go_until_enough_is_free(link: RedisLink, guard_of: GuardMaker) -> None:
    events: list[Event] = []
    guard = guard_of(link, on_event=events.append, check_seconds=0.0)
    await link.command("CONFIG", "SET", "maxmemory", 100 * MB)
    await guard.check()
    await store(link, guard, range(800))
    await fill_memory(link, 0.85)
    await guard.check()
    assert guard.quota == NO_QUOTA
    await wait_until_async(partial(stores_again, guard))  # in some steps, as the sizes of answers are estimates
    assert 0.6 * guard.memory.limit < guard.memory.used < 0.71 * guard.memory.limit
    assert await link.command("EXISTS", f"{{{PREFIX}}}:answer:799")
    assert not await link.command("EXISTS", f"{{{PREFIX}}}:answer:0")
    assert {event.name for event in events} == {EventName.ANSWERS_DROPPED}
    assert sum(event.count for event in events) == 800 - await count(link)


async def test_a_full_redis_is_relieved_even_of_answers_without_an_index(link: RedisLink, guard_of: GuardMaker) -> None:
    guard = guard_of(link, check_seconds=0.0)
    await link.command("CONFIG", "SET", "maxmemory", 100 * MB)
    await guard.check()
    await store(link, guard, range(100))
    await link.command("DEL", f"{{{PREFIX}}}:answers_in:shop")
    await store(link, guard, range(100, 200))
    await fill_memory(link, 3.0)
    assert not await stores_again(guard)
    assert await count(link) == 0


async def test_while_redis_is_down_the_last_result_stays(guard_of: GuardMaker) -> None:
    guard = guard_of(RedisLink("redis://127.0.0.1:9", timeout=0.2, clock=CLOCK))
    guard.quota = AnswerQuota(project_bytes=1, total_bytes=2)
    await guard.check()
    assert guard.quota == AnswerQuota(project_bytes=1, total_bytes=2)


async def test_a_redis_that_does_not_tell_is_taken_for_a_small_one(
    link: RedisLink, port: int, guard_of: GuardMaker
) -> None:
    await link.command("ACL", "SETUSER", "mute", "on", ">secret", "~*", "&*", "+@all", "-info")
    mute = RedisLink(f"redis://mute:secret@127.0.0.1:{port}", timeout=2.0, clock=CLOCK)
    await mute.start()
    guard = guard_of(mute)
    with capture_logs() as logs:
        await guard.check()
        await guard.check()
    await mute.close()
    assert guard.quota.total_bytes == DEFAULT_MEMORY // 2
    assert [line["event"] for line in logs] == ["redis does not tell its memory: its use is not watched"]


async def test_the_guard_looks_by_itself(link: RedisLink, guard_of: GuardMaker) -> None:
    guard = guard_of(link, check_seconds=0.01)
    await guard.start()
    assert guard.quota != NO_QUOTA
    await fill_memory(link, 0.9)
    await wait_until(lambda: guard.quota == NO_QUOTA)
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


async def test_a_check_with_a_defect_is_logged_once_and_the_next_one_runs(port: int, guard_of: GuardMaker) -> None:
    link = FailingOnceLink(f"redis://127.0.0.1:{port}", timeout=2.0, clock=CLOCK)
    await link.start()
    guard = guard_of(link, check_seconds=0.01)
    with capture_logs() as logs:
        await guard.start()
        await wait_until(lambda: guard.quota != NO_QUOTA)
        await guard.close()
    await link.close()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["periodic task fails and will retry"]

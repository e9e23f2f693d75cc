"""The ring keeps the last day's minutes in Redis, bounded, and counts what arrives twice once."""

import pytest

from tidegate.core.clock import ManualClock
from tidegate.core.errors import RedisUnavailable
from tidegate.dashboard.recent_minutes import KEEP_SECONDS, RecentMinutes
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink


@pytest.fixture
def ring(redis_link: RedisLink, redis_prefix: str, clock: ManualClock) -> RecentMinutes:
    return RecentMinutes(redis_link, clock, prefix=redis_prefix)


def minute_now(clock: ManualClock) -> int:
    return int(clock.now() // 60)


async def calls(ring: RecentMinutes, minutes: range) -> list[int]:
    return [minute.step.calls for minute in await ring.read(minutes)]


async def test_processes_add_to_one_minute_and_an_addition_counts_once(ring: RecentMinutes, clock: ManualClock) -> None:
    now = minute_now(clock)
    await ring.add(now, {"calls": 2}, process="p1", number=1)
    await ring.add(now, {"calls": 2}, process="p1", number=1)
    await ring.add(now, {"calls": 3, "t:100": 1}, process="p2", number=1)
    await ring.add(now, {"calls": 1}, process="p1", number=2)
    assert await calls(ring, range(now - 1, now + 1)) == [0, 6]


async def test_a_minute_is_forgotten_after_a_day(
    ring: RecentMinutes, redis_link: RedisLink, clock: ManualClock, redis_prefix: str
) -> None:
    now = minute_now(clock)
    await ring.add(now, {"calls": 2}, process="p1", number=1)
    left = await redis_link.command("TTL", RedisNames(redis_prefix).of("ring", str(now)))
    assert KEEP_SECONDS - 60 <= left <= KEEP_SECONDS


async def test_a_settled_minute_is_read_again_only_later(ring: RecentMinutes, clock: ManualClock) -> None:
    old = minute_now(clock) - 60
    assert await calls(ring, range(old, old + 1)) == [0]
    await ring.add(old, {"calls": 2}, process="p1", number=1)
    assert await calls(ring, range(old, old + 1)) == [0], "settled minutes are remembered"
    clock.advance(1800)
    assert await calls(ring, range(old, old + 1)) == [2], "a process that had lost Redis is seen later"


async def test_the_present_minute_is_read_each_time(ring: RecentMinutes, clock: ManualClock) -> None:
    now = minute_now(clock)
    for count in (1, 2):
        await ring.add(now, {"calls": 1}, process="p1", number=count)
        assert await calls(ring, range(now, now + 1)) == [count]


async def test_without_redis_it_says_so(ring: RecentMinutes, redis_link: RedisLink, clock: ManualClock) -> None:
    await redis_link.close()
    with pytest.raises(RedisUnavailable):
        await ring.read(range(minute_now(clock), minute_now(clock) + 1))

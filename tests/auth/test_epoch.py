"""The epoch grows with every change, and a Redis that is away stops no change."""

import pytest

from tidegate.auth.epoch import Epoch
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.storage.redis import RedisLink


async def test_the_epoch_begins_at_zero_and_advances(redis_link: RedisLink, redis_prefix: str) -> None:
    mine, theirs = Epoch(redis_link, redis_prefix), Epoch(redis_link, redis_prefix)
    assert await mine.read() == 0
    assert await mine.advance() is True
    assert await theirs.read() == 1


async def test_without_redis_the_processes_are_not_notified() -> None:
    nowhere = Epoch(RedisLink("redis://127.0.0.1:1", timeout=0.1, clock=SystemClock()), "unused")
    assert await nowhere.advance() is False
    with pytest.raises(RedisUnavailable):
        await nowhere.read()

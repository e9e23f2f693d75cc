"""What happens to a response is heard at once in its own process, and in the others by way of Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.background.notifications import JobNotifications
from tidegate.core.clock import SystemClock
from tidegate.storage.redis import RedisLink


@pytest.fixture
async def two(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[tuple[JobNotifications, JobNotifications]]:
    one, other = JobNotifications(redis_link, prefix=redis_prefix), JobNotifications(redis_link, prefix=redis_prefix)
    await one.start()
    await other.start()
    yield one, other
    await one.close()
    await other.close()


async def test_events_are_heard_by_who_listens_for_them(two: tuple[JobNotifications, JobNotifications]) -> None:
    one, other = two
    with one.listen("resp_1") as here, other.listen("resp_1") as there, other.listen("resp_2") as elsewhere:
        one.events_written("resp_1")
        assert here.is_set()
        await wait_until(there.is_set)
        assert not elsewhere.is_set()
    assert repr(other).startswith("<JobNotifications: 0 responses")


async def test_changes_and_work_are_heard_by_the_worker(two: tuple[JobNotifications, JobNotifications]) -> None:
    one, other = two
    changed: list[str] = []
    work: list[None] = []
    other.set_handlers(on_job_ended=changed.append, on_job_added=lambda: work.append(None))
    with other.listen("resp_1") as bell:
        one.job_ended("resp_1")
        one.job_added()
        await wait_until(lambda: bool(work))
        assert changed == ["resp_1"]
        assert bell.is_set()


async def test_without_redis_there_is_news_within_the_process(redis_prefix: str) -> None:
    away = JobNotifications(RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock()), prefix=redis_prefix)
    with away.listen("resp_1") as bell:
        away.events_written("resp_1")
        assert bell.is_set()
    await asyncio.wait_for(away.close(), PATIENCE_SECONDS)


async def test_who_tells_too_much_tells_the_others_less(two: tuple[JobNotifications, JobNotifications]) -> None:
    one, _ = two
    for _ in range(3000):
        one.events_written("resp_1")
    assert "1000 being published" in repr(one)
    await wait_until(lambda: "0 being published" in repr(one))

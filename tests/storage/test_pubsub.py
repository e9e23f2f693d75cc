"""A channel survives a malformed message and a lost connection, and reports possible gaps."""

import asyncio

from structlog.testing import capture_logs

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.failing_once import FailingOnce, failed_rounds
from tidegate.core.clock import SystemClock
from tidegate.storage.pubsub import Channel
from tidegate.storage.redis import RedisLink


async def test_what_is_published_is_handed_on_in_order(redis_link: RedisLink, redis_prefix: str) -> None:
    heard: list[bytes] = []
    channel = Channel(redis_link, f"{redis_prefix}:channel")
    await channel.start(heard.append)
    assert repr(channel).endswith(": subscribed>")
    for number in range(20):
        assert await redis_link.command("PUBLISH", channel.name, f"{number}") == 1
    await wait_until(lambda: len(heard) == 20)
    assert heard == [f"{number}".encode() for number in range(20)]
    await channel.close()
    async with asyncio.timeout(PATIENCE_SECONDS):  # Redis notices the end later
        while await redis_link.command("PUBLISH", channel.name, "late"):
            pass
    assert len(heard) == 20


async def test_a_message_that_cannot_be_understood_ends_nothing(redis_link: RedisLink, redis_prefix: str) -> None:
    heard: list[int] = []
    channel = Channel(redis_link, f"{redis_prefix}:channel")
    await channel.start(lambda data: heard.append(int(data)))
    for text in ("1", "two", "3"):
        await redis_link.command("PUBLISH", channel.name, text)
    await wait_until(lambda: heard == [1, 3])
    await channel.close()


async def test_a_lost_connection_is_made_again_and_its_owner_is_told(redis_link: RedisLink, redis_prefix: str) -> None:
    heard: list[bytes] = []
    missed = asyncio.Event()
    channel = Channel(redis_link, f"{redis_prefix}:channel")
    await channel.start(heard.append, on_gap=missed.set)
    assert not missed.is_set()
    await redis_link.command("CLIENT", "KILL", "TYPE", "pubsub")
    await asyncio.wait_for(missed.wait(), PATIENCE_SECONDS)
    await redis_link.command("PUBLISH", channel.name, "again")
    await wait_until(lambda: heard == [b"again"])
    await channel.close()


async def test_without_redis_the_start_is_short_and_closing_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    link = RedisLink("redis://127.0.0.1:1", timeout=0.3, clock=SystemClock())
    channel = Channel(link, "nobody")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await channel.start(lambda _: None)
    assert repr(channel).endswith("not subscribed>")
    await channel.close()
    await link.close()
    assert asyncio.all_tasks() == before


async def test_a_defect_in_one_round_is_logged_once_and_the_next_round_subscribes(
    redis_link: RedisLink, redis_prefix: str
) -> None:
    received: list[bytes] = []
    fault = FailingOnce()
    channel = Channel(redis_link, f"{redis_prefix}:channel")
    await channel.start(received.append, on_gap=fault)
    with capture_logs() as logs:
        await redis_link.command("CLIENT", "KILL", "TYPE", "pubsub")
        await wait_until(lambda: fault.calls >= 2)
    await redis_link.command("PUBLISH", channel.name, "more")
    await wait_until(lambda: received == [b"more"])
    await channel.close()
    assert failed_rounds(logs) == [(f"channel {channel.name}", "ZeroDivisionError")]

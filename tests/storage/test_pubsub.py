"""A channel survives a malformed message and a lost connection, and reports possible gaps."""

import asyncio

from structlog.testing import capture_logs

from tests.eventually import PATIENCE_SECONDS, wait_until, wait_until_async
from tests.failing_once import FailingOnce, failed_rounds
from tests.faults.proxy import Mode, proxy_before
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


async def test_a_redis_that_is_gone_without_notice_is_subscribed_to_again(
    redis_url: str, redis_link: RedisLink, redis_prefix: str
) -> None:
    heard: list[bytes] = []
    missed = asyncio.Event()
    async with proxy_before(redis_url) as (proxy, url):
        link = RedisLink(url, timeout=PATIENCE_SECONDS, clock=SystemClock())
        await link.start()
        channel = Channel(link, f"{redis_prefix}:channel", silence=0.2)
        await channel.start(heard.append, on_gap=missed.set)
        await wait_until(lambda: repr(channel).endswith(": subscribed>"))
        await proxy.set(Mode.FREEZE)
        await wait_until(lambda: repr(channel).endswith("not subscribed>"))
        await proxy.set(Mode.PASS)
        await asyncio.wait_for(missed.wait(), PATIENCE_SECONDS)
        await redis_link.command("PUBLISH", channel.name, "again")
        await wait_until(lambda: b"again" in heard)
        await channel.close()
        await link.close()


async def test_silence_with_answered_pings_is_no_interruption(redis_link: RedisLink, redis_prefix: str) -> None:
    heard: list[bytes] = []
    missed = asyncio.Event()
    channel = Channel(redis_link, f"{redis_prefix}:channel", silence=2.0)
    await channel.start(heard.append, on_gap=missed.set)

    async def is_pinged() -> bool:
        return b"cmd=ping" in await redis_link.command("CLIENT", "LIST", "TYPE", "pubsub")

    await wait_until_async(is_pinged)
    await redis_link.command("PUBLISH", channel.name, "still here")
    await wait_until(lambda: heard == [b"still here"])
    assert not missed.is_set()
    await channel.close()

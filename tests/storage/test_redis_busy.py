"""A process that is too busy to look at Redis does not take it for silent, and still notices when it is."""

import asyncio
import os
import signal
import threading

import pytest
import uvloop

from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink


def test_a_process_that_is_busy_again_and_again_takes_redis_for_no_silent_one(redis_url: str) -> None:
    """Redis answers in time, and the process does not look for so long that the timeout is over each time."""
    begun = threading.Event()  # never set: its wait is work that lets nothing else run

    async def busy() -> None:
        link = RedisLink(redis_url, timeout=0.1, clock=SystemClock())
        await link.start()
        for _ in range(12):  # more often than a late check is excused
            commands = [asyncio.create_task(link.command("PING")) for _ in range(3)]
            await asyncio.sleep(0)
            begun.wait(0.3)
            assert await asyncio.gather(*commands) == [b"PONG"] * 3
        await link.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(busy())


def test_a_busy_process_notices_a_silent_redis_after_a_few_looks(own_stores: StoreUrls, server: int) -> None:
    begun = threading.Event()  # never set

    async def busy() -> int:
        link = RedisLink(own_stores.redis_url, timeout=0.1, clock=SystemClock())
        await link.start()
        os.kill(server, signal.SIGSTOP)
        waiting, looks = asyncio.create_task(link.command("PING")), 0
        while not waiting.done():
            await asyncio.sleep(0.02)
            begun.wait(0.3)
            looks += 1
        with pytest.raises(RedisUnavailable):
            await waiting
        os.kill(server, signal.SIGCONT)
        await link.close()
        return looks

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(busy()) <= 12

"""Waits, with a deadline, for what another process or a background task does."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 60.0
"""Only a condition that never comes true takes this long; a busy machine does not fail a test."""


async def wait_until(condition: Callable[[], bool], within: float = PATIENCE_SECONDS) -> float:
    """Wait for `condition`; return the seconds it took, fail after `within`."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not condition():
        assert loop.time() - begun < within, f"not within {within:g} s"
        await asyncio.sleep(0.01)
    return loop.time() - begun


async def wait_until_async(condition: Callable[[], Awaitable[bool]], within: float = PATIENCE_SECONDS) -> None:
    """Wait for an asynchronous condition; fail after `within`."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not await condition():
        assert loop.time() - begun < within, f"not within {within:g} s"
        await asyncio.sleep(0.01)

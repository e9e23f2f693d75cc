"""Waiting for what another process or a background task will have done, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 60.0
"""Only what never happens waits so long; a machine that is busy with other things is no failure."""


async def wait_until(condition: Callable[[], bool], within: float = PATIENCE_SECONDS) -> float:
    """Wait for `condition`; returns the seconds it took, fails after `within`."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not condition():
        assert loop.time() - begun < within, f"not within {within:g} s"
        await asyncio.sleep(0.01)
    return loop.time() - begun


async def wait_until_async(condition: Callable[[], Awaitable[bool]], within: float = PATIENCE_SECONDS) -> None:
    """The same for a condition that has to be asked for."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not await condition():
        assert loop.time() - begun < within, f"not within {within:g} s"
        await asyncio.sleep(0.01)

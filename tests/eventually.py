"""Waiting for what another process or a background task will have done, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool], within: float = 10.0) -> float:
    """Wait for `condition`; returns the seconds it took, fails after `within`."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not condition():
        assert loop.time() - begun < within, f"not within {within:g} s"
        await asyncio.sleep(0.01)
    return loop.time() - begun


async def until_so(condition: Callable[[], Awaitable[bool]], within: float = 10.0) -> None:
    """The same for a condition that has to be asked for."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not await condition():
        assert loop.time() - begun < within, f"not within {within:g} s"
        await asyncio.sleep(0.01)

"""How long an overview waits for a store. One that does not answer in time is shown as away."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from tidegate.core.errors import StoreError

STORE_SECONDS = 2.0

_Answer = TypeVar("_Answer")


async def answer_in_time(reading: Awaitable[_Answer], *, seconds: float = STORE_SECONDS) -> _Answer | None:
    """Return what a store answers; None if it is away, or takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await reading
    except (StoreError, TimeoutError):
        return None

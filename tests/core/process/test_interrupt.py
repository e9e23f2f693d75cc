"""An interruption ends waiting with its own error; a cancellation from outside remains a cancellation."""

import asyncio

import pytest

from tidegate.core.errors import TargetDown
from tidegate.core.process.interrupt import Interruption


async def test_a_strike_ends_the_waiting_with_its_error() -> None:
    interruption = Interruption()
    asyncio.get_running_loop().call_soon(interruption.interrupt, TargetDown("Gone."))
    with pytest.raises(TargetDown, match="Gone"), interruption:
        await asyncio.Event().wait()
    assert interruption.interrupted
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_before_and_after_its_context_a_strike_does_nothing() -> None:
    interruption = Interruption()
    interruption.interrupt(TargetDown())
    with interruption:
        await asyncio.sleep(0)
    interruption.interrupt(TargetDown())
    await asyncio.sleep(0)
    assert not interruption.interrupted


async def test_only_the_first_strike_counts() -> None:
    interruption = Interruption()
    for words in ("First.", "Second."):
        asyncio.get_running_loop().call_soon(interruption.interrupt, TargetDown(words))
    with pytest.raises(TargetDown, match="First"), interruption:
        await asyncio.Event().wait()


async def test_a_cancellation_from_outside_goes_through() -> None:
    async def wait() -> None:
        with Interruption():
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_another_error_is_left_as_it_is() -> None:
    with pytest.raises(ValueError, match="mine"), Interruption():
        raise ValueError("mine")

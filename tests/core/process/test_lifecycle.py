"""A request that the server cancels at the end of the grace ends with an error; any other cancellation stays one."""

import asyncio

import pytest

from tidegate.core.errors import ShuttingDown
from tidegate.core.process.lifecycle import Lifecycle


async def ended(lifecycle: Lifecycle) -> ShuttingDown | None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if (error := lifecycle.take_cancellation()) is None:
            raise
        await asyncio.sleep(0)  # it may wait again
        return error
    return None


@pytest.mark.parametrize("is_grace_over", [False, True])
async def test_only_the_end_of_the_grace_becomes_an_error(is_grace_over: bool) -> None:
    lifecycle = Lifecycle()
    request = asyncio.create_task(ended(lifecycle))
    await asyncio.sleep(0)
    lifecycle.is_grace_over = is_grace_over
    request.cancel()
    (result,) = await asyncio.gather(request, return_exceptions=True)
    assert isinstance(result, ShuttingDown if is_grace_over else asyncio.CancelledError)

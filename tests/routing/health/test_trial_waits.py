"""A call that waits for a trial is woken when it ends, and waits no longer than its time."""

import asyncio

from tidegate.routing.health.trial_waits import TrialWaits


async def test_all_that_wait_for_a_target_are_woken_when_its_trial_ends() -> None:
    waits = TrialWaits()
    waiting = [asyncio.create_task(waits.wait("openai/m", 60.0)) for _ in range(3)]
    other = asyncio.create_task(waits.wait("azure/m", 60.0))
    await asyncio.sleep(0)
    waits.end("openai/m")
    await asyncio.gather(*waiting)
    assert not other.done()
    waits.end("azure/m")
    await other


async def test_a_wait_has_an_end_of_its_own() -> None:
    await TrialWaits().wait("openai/m", 0.01)

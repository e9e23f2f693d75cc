"""One call tries a target that may be back; the others go elsewhere, or wait for its result where it can help them."""

import asyncio
from typing import Any

import pytest

from tests.eventually import wait_until
from tests.routing.fake_provider import error_answer, whole_answer
from tests.routing.world import HERE, World
from tidegate.core import errors
from tidegate.routing.health.circuit_breaker import Circuit

BROKEN = error_answer(500, type="server_error")


@pytest.fixture
async def world() -> World:
    """Return two providers, of which the first is down and may be back."""
    world = World()
    for _ in range(3):
        world.board.note_failure(HERE, world.openai.credentials[0], errors.UpstreamServerError())
    world.board.note_probe(HERE)
    return world


@pytest.mark.parametrize("is_back", [True, False])
async def test_while_one_call_tries_the_only_target_the_others_wait_for_its_result(world: World, is_back: bool) -> None:
    trying = asyncio.Event()

    async def slow() -> Any:
        await trying.wait()
        return await (whole_answer() if is_back else BROKEN)()

    world.openai.answers(slow)
    calls = [world.asked(HERE) for _ in range(20)]
    opening = [asyncio.create_task(call.call.open()) for call in calls]
    late = world.asked(HERE, patience=0.0)
    await wait_until(lambda: bool(world.openai.sent_to))
    with pytest.raises(errors.TargetDown):
        await late.call.open()
    assert len(world.sent) == 1
    assert not any(task.done() for task in opening)
    trying.set()
    results = await asyncio.gather(*opening, return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    assert len(failed) == (0 if is_back else 20)
    assert len(world.sent) == (20 if is_back else 1)


async def test_a_refusal_of_the_callers_prompt_does_not_wait_for_a_trial_elsewhere(world: World) -> None:
    forever = asyncio.Event()
    world.openai.answers(forever.wait)
    world.azure.answers(error_answer(400, type="invalid_request_error", code="invalid_prompt"))
    trying = asyncio.create_task(world.asked().call.open())
    await wait_until(lambda: bool(world.openai.sent_to))
    with pytest.raises(errors.UpstreamRejected):
        await asyncio.wait_for(world.asked().call.open(), 2.0)  # the trial goes on for longer
    trying.cancel()
    await asyncio.wait({trying})


async def test_one_call_tries_a_target_that_may_be_back(world: World) -> None:
    forever = asyncio.Event()

    async def slow() -> Any:
        await forever.wait()
        return await whole_answer()()

    world.openai.answers(slow)
    trial, other = world.asked(), world.asked()
    trying = asyncio.create_task(trial.call.open())
    await wait_until(lambda: bool(world.openai.sent_to))
    await other.call.open()
    assert world.sent == ["openai/main/m", "azure/main/eu"]
    forever.set()
    await trying
    assert world.board.snapshot.breaker(HERE).circuit is Circuit.CLOSED


async def test_a_trial_whose_caller_leaves_lets_the_next_one_try(world: World) -> None:
    forever = asyncio.Event()
    world.openai.answers(forever.wait)
    call = world.asked()
    opening = asyncio.create_task(call.call.open())
    await wait_until(lambda: bool(world.openai.sent_to))
    opening.cancel()
    await asyncio.wait({opening})
    await call.call.abandon()
    assert isinstance(call.outcome.error, errors.ClientDisconnected)
    world.openai.answers(whole_answer())
    await world.asked().call.open()
    assert world.board.snapshot.breaker(HERE).circuit is Circuit.CLOSED

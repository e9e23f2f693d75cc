"""What the upstream does with the calls of one project makes no other project's calls of that model wait."""

import asyncio

import pytest

from tests.harness import Gateway, World, ask

ROUNDS = 12
IMPATIENT = {"x_tidegate_deadline": "3"}
"""Seconds for which a call may wait: shorter than any wait that the upstream asks for here."""


@pytest.mark.parametrize("fault", ["rate_limited_bare", "rate_limited_day"])
async def test_every_call_of_one_project_is_refused_and_the_other_does_not_wait(world: World, fault: str) -> None:
    async with world.gateway() as gateway:
        hostile = Gateway(gateway.root, (await world.make_key("hostile")).token, world.http)
        for number in range(ROUNDS):
            assert (await gateway.chat(ask(f"before {number}"))).status == 200
        refused, answered = [], []
        for number in range(ROUNDS):
            calls = [hostile.chat(ask(f"{number} {n}"), x_simulate_fault=fault, **IMPATIENT) for n in range(3)]
            quiet, *others = await asyncio.gather(gateway.chat(ask(f"during {number}"), **IMPATIENT), *calls)
            answered.append(quiet)
            refused += others
        assert {answer.status for answer in answered} == {200}, [answer.text for answer in answered]
        assert not any("x-tidegate-queue-ms" in answer.headers for answer in answered[1:])
        assert {answer.status for answer in refused} == {429}


async def test_a_limit_that_concerns_both_holds_both(world: World) -> None:
    async with world.gateway() as gateway:
        other = Gateway(gateway.root, (await world.make_key("other")).token, world.http)
        for number in range(ROUNDS):
            assert (await gateway.chat(ask(f"before {number}"))).status == 200
        for one in (other, gateway):
            refused = await one.chat(ask("refused"), x_simulate_fault="rate_limited_bare", **IMPATIENT)
            assert refused.error["code"] == "rate_limit_exceeded"
        late = await other.chat(ask("late"), **IMPATIENT)
        assert late.headers["x-tidegate-error"] == "queue_timeout"


async def test_calls_of_one_project_that_are_never_answered_leave_room_for_others(world: World) -> None:
    async with world.gateway(queue={"max_in_flight": 20}) as gateway:
        hostile = Gateway(gateway.root, (await world.make_key("hostile")).token, world.http)
        for number in range(25):  # until the upstream counts as unlimited
            await asyncio.gather(*(gateway.chat(ask(f"before {number} {n}")) for n in range(4)))
        silent = [asyncio.create_task(hostile.chat(ask(f"{n}"), x_simulate_fault="timeout")) for n in range(40)]
        await world.wait_for_stats(in_flight=18)
        for number in range(5):
            assert (await gateway.chat(ask(f"during {number}"), **IMPATIENT)).status == 200
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)

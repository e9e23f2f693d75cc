"""Slots are granted in the order of arrival, and a project that holds many leaves a tenth to those that hold few."""

import asyncio

import pytest

from tidegate.queue.local_slots import LocalSlots


async def waiting(slots: LocalSlots, *projects: str) -> list[asyncio.Task[None]]:
    """Return tasks that wait for a slot, in this order."""
    tasks = [asyncio.create_task(slots.take(project)) for project in projects]
    await asyncio.sleep(0)  # each runs until it waits
    return tasks


def test_one_project_gets_nine_tenths_and_a_light_one_the_rest() -> None:
    slots = LocalSlots(20)
    assert [slots.take_free("hostile") for _ in range(20)].count(True) == 18
    assert [slots.take_free("quiet") for _ in range(3)] == [True, True, False]
    slots.release("quiet")
    assert not slots.take_free("hostile")
    assert slots.take_free("third")


def test_where_there_are_few_all_are_for_everybody() -> None:
    slots = LocalSlots(2)
    assert [slots.take_free("any") for _ in range(3)] == [True, True, False]


async def test_who_waits_longest_is_next_and_a_light_project_does_not_wait_for_a_heavy_one() -> None:
    slots = LocalSlots(10)
    for _ in range(9):
        assert slots.take_free("hostile")
    heavy, other = await waiting(slots, "hostile", "hostile")
    await slots.take("quiet")
    (light,) = await waiting(slots, "third")
    slots.release("quiet")
    await light
    assert not heavy.done()
    slots.release("hostile")
    await asyncio.sleep(0)
    assert not heavy.done(), "one is left to light projects"
    slots.release("third")
    await heavy
    assert not other.done()
    slots.release("hostile")
    await other


async def test_a_cancelled_wait_takes_none() -> None:
    slots = LocalSlots(1)
    assert slots.take_free("a")
    first, second = await waiting(slots, "a", "b")
    slots.release("a")
    first.cancel()  # it was granted in this moment
    await asyncio.gather(first, return_exceptions=True)
    await second
    (third,) = await waiting(slots, "c")
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)
    slots.release("b")
    assert slots.take_free("d")


async def test_a_slot_that_is_released_in_the_moment_of_a_cancel_goes_to_the_next() -> None:
    slots = LocalSlots(1)
    assert slots.take_free("a")
    first, second = await waiting(slots, "a", "b")
    first.cancel()  # its task has not run since
    slots.release("a")
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    slots.release("b")
    assert slots.take_free("c"), "the cancelled wait holds none"

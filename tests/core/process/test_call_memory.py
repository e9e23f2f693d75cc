"""The memory of calls is bounded, no key takes the room of another, and whoever waits is served in turn."""

import asyncio

import pytest

from tests.eventually import wait_until
from tidegate.core.errors import AnswerMemoryExceeded, MemoryShareExceeded
from tidegate.core.process.call_memory import MAX_WAITING, SMALL_BYTES, CallMemory, MemoryHold

MB = 2**20


def memory_of(size: int, **options: float) -> CallMemory:
    return CallMemory(size, **{"wait_seconds": 60.0, **options})  # type: ignore[arg-type]  # options are numbers


async def grown(memory: CallMemory, key_id: str, count: int) -> MemoryHold:
    hold = memory.hold(key_id)
    await hold.grow(count)
    return hold


async def begun(memory: CallMemory, key_id: str, count: int) -> "asyncio.Task[MemoryHold]":
    """Return a task that waits for memory."""
    waiting = memory.waiting
    task = asyncio.create_task(grown(memory, key_id, count))
    await wait_until(lambda: memory.waiting > waiting)
    return task


@pytest.mark.parametrize(
    ("keys", "holds_each", "free"),
    [(1, 50, 50), (2, 33, 34), (3, 25, 25), (9, 10, 10)],
)
async def test_each_key_gets_an_equal_share_and_one_is_left_free(keys: int, holds_each: int, free: int) -> None:
    memory = memory_of(100 * MB, wait_seconds=0.0)
    for _ in range(200):  # all keys as hungry as can be
        for key in range(keys):
            try:
                await grown(memory, f"key {key}", MB // 2)
            except MemoryShareExceeded:
                continue
    assert abs(memory.max_bytes - memory.used_bytes - free * MB) <= MB
    assert abs(memory.used_bytes / keys - holds_each * MB) <= MB


async def test_a_neighbour_finds_room_however_much_another_asks_for() -> None:
    memory = memory_of(100 * MB)
    hungry = [asyncio.create_task(grown(memory, "hungry", 10 * MB)) for _ in range(40)]
    await wait_until(lambda: memory.waiting == 35)
    async with asyncio.timeout(1.0):
        await grown(memory, "neighbour", 20 * MB)
    for task in hungry:
        task.cancel()


async def test_what_does_not_fit_waits_until_it_does() -> None:
    memory = memory_of(100 * MB)
    first = await grown(memory, "key", 50 * MB)
    second = await begun(memory, "key", 40 * MB)
    first.release()
    assert (await second).held_bytes == memory.used_bytes == 40 * MB


async def test_whoever_waits_is_served_in_turn_and_keys_take_turns() -> None:
    memory = memory_of(100 * MB)
    all_of_it = [await grown(memory, "big", 50 * MB), await grown(memory, "other", 24 * MB)]
    served: list[str] = []

    async def note_end(name: str, task: "asyncio.Task[MemoryHold]") -> None:
        await task
        served.append(name)

    notes = [asyncio.create_task(note_end(name, await begun(memory, name[0], 20 * MB))) for name in ("a1", "a2", "b1")]
    all_of_it[1].release()
    await wait_until(lambda: len(served) == 1)
    all_of_it[0].release()
    await wait_until(lambda: len(served) == 3)
    assert served == ["a1", "b1", "a2"]
    await asyncio.gather(*notes)


async def test_the_small_pass_the_large_of_their_key() -> None:
    memory = memory_of(100 * MB)
    await grown(memory, "key", 40 * MB)
    large = await begun(memory, "key", 20 * MB)
    behind = await begun(memory, "key", 2 * MB)
    async with asyncio.timeout(1.0):
        await grown(memory, "key", SMALL_BYTES)
    assert not large.done()
    assert not behind.done()
    for task in (large, behind):
        task.cancel()


async def test_waiting_ends_with_a_typed_error() -> None:
    memory = memory_of(100 * MB, wait_seconds=0.05)
    first = await grown(memory, "key", 50 * MB)
    with pytest.raises(MemoryShareExceeded) as refused:
        await grown(memory, "key", MB)
    assert refused.value.retryable
    assert refused.value.retry_after
    assert (memory.used_bytes, memory.waiting) == (50 * MB, 0)
    first.release()
    assert memory.used_bytes == 0
    answers = CallMemory(MB, wait_seconds=0.05, make_error=AnswerMemoryExceeded)
    with pytest.raises(AnswerMemoryExceeded):
        await grown(answers, "key", MB)


async def test_one_key_cannot_take_all_places_of_those_who_wait() -> None:
    memory = memory_of(100 * MB)
    await grown(memory, "many", 50 * MB)
    await grown(memory, "few", 25 * MB)
    many = [asyncio.create_task(grown(memory, "many", MB)) for _ in range(MAX_WAITING)]
    await wait_until(lambda: sum(task.done() for task in many) == MAX_WAITING // 2)
    few = await begun(memory, "few", 2 * MB)
    assert {type(task.exception()) for task in many if task.done()} == {MemoryShareExceeded}
    for task in (*many, few):
        task.cancel()


async def test_a_cancelled_wait_keeps_nobody_behind_it() -> None:
    memory = memory_of(100 * MB)
    await grown(memory, "key", 30 * MB)
    large = await begun(memory, "key", 40 * MB)
    behind = await begun(memory, "key", 10 * MB)
    large.cancel()
    assert (await behind).held_bytes == 10 * MB
    assert memory.waiting == 0


async def test_a_wait_that_is_cancelled_as_it_is_served_gives_all_back() -> None:
    memory = memory_of(100 * MB)
    first = await grown(memory, "key", 50 * MB)
    second = memory.hold("key")
    waiting = asyncio.create_task(second.grow(10 * MB))
    await wait_until(lambda: memory.waiting == 1)
    first.release()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    second.release()
    assert memory.used_bytes == 0


async def test_those_who_hold_a_part_do_not_wait_for_one_another() -> None:
    memory = memory_of(100 * MB, stall_seconds=0.02)
    parts = [await grown(memory, "key", 10 * MB) for _ in range(5)]

    async def finish(hold: MemoryHold) -> None:
        with hold:
            await hold.grow(40 * MB)

    async with asyncio.timeout(10.0):
        await asyncio.gather(*(finish(hold) for hold in parts))
    assert memory.used_bytes == 0


async def test_one_at_a_time_is_let_through_beyond_the_bound() -> None:
    memory = memory_of(100 * MB, stall_seconds=0.02)
    parts = [await grown(memory, "key", 10 * MB) for _ in range(5)]
    tasks = [asyncio.create_task(hold.grow(90 * MB)) for hold in parts]
    await wait_until(lambda: any(task.done() for task in tasks))
    with pytest.raises(AssertionError):
        await wait_until(lambda: sum(task.done() for task in tasks) > 1, 0.2)
    for task in tasks:
        task.cancel()


async def test_a_hold_may_shrink_and_is_released_once() -> None:
    memory = memory_of(100 * MB)
    with memory.hold("key") as hold:
        await hold.grow(3 * MB)
        hold.shrink(MB)
        assert memory.used_bytes == hold.held_bytes == 2 * MB
    hold.release()
    assert memory.used_bytes == 0
    assert repr(memory) == f"<CallMemory: 0 of {100 * MB} bytes, 0 waiting>"

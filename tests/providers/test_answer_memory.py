"""An answer is read as far as its key has room for it, and the upstream's clocks stand still while it has none."""

import asyncio

import pytest

from tests.eventually import wait_until
from tests.routing.fake_provider import JSON, FakeExchange
from tidegate.core.errors import MemoryShareExceeded
from tidegate.core.process.call_memory import CallMemory
from tidegate.providers.answer_memory import ANSWER_COPIES, SMALL_ANSWER_BYTES, AnswerMemory

KB = 1024


async def test_a_small_answer_needs_no_room() -> None:
    memory = CallMemory(1, wait_seconds=0.0)
    answer = FakeExchange(b"x" * SMALL_ANSWER_BYTES, headers=JSON)
    assert len(await answer.read_all(AnswerMemory(memory.hold("key")))) == SMALL_ANSWER_BYTES
    assert memory.used_bytes == 0


async def test_without_hold_there_is_always_room() -> None:
    assert len(await FakeExchange(b"x" * 10**6, headers=JSON).read_all(AnswerMemory(None))) == 10**6


async def test_a_large_answer_holds_what_it_takes() -> None:
    memory = CallMemory(10**8, wait_seconds=0.0)
    hold = memory.hold("key")
    await FakeExchange(*[b"x" * 32 * KB] * 100, headers=JSON).read_all(AnswerMemory(hold))
    assert ANSWER_COPIES * 3200 * KB <= hold.held_bytes < ANSWER_COPIES * 3400 * KB


async def test_an_answer_waits_until_another_has_gone() -> None:
    memory = CallMemory(8000 * KB, wait_seconds=60.0)
    other = memory.hold("key")
    await other.grow(3800 * KB)
    reading = asyncio.create_task(
        FakeExchange(*[b"x" * 32 * KB] * 30, headers=JSON).read_all(AnswerMemory(memory.hold("key")))
    )
    await wait_until(lambda: memory.waiting == 1)
    other.release()
    assert len(await reading) == 960 * KB


async def test_without_room_in_time_the_answer_fails() -> None:
    memory = CallMemory(1000 * KB, wait_seconds=0.05)
    hold = memory.hold("key")
    with pytest.raises(MemoryShareExceeded):
        await FakeExchange(*[b"x" * 32 * KB] * 100, headers=JSON).read_all(AnswerMemory(hold))
    hold.release()
    assert memory.used_bytes == 0

"""Heavy work takes a small share of a process that several keys use, by turns between keys; alone it does not wait."""

import asyncio
import time
from collections.abc import Generator

import pytest

from tidegate.core.process.heavy_turns import MAX_REST_SECONDS, SHARE, HeavyTurns, at_once, with_pauses

WORK_SECONDS = 0.004
LONG_SECONDS = 60.0


def work() -> None:
    """Hold up the process."""
    ends = time.perf_counter() + WORK_SECONDS
    while time.perf_counter() < ends:
        pass


def shared() -> HeavyTurns:
    """The turns of a process that two keys use."""
    turns = HeavyTurns()
    turns.note_call("quiet")
    turns.note_call("large")
    return turns


async def one(turns: HeavyTurns, key_id: str, order: list[str]) -> None:
    async with turns.turn(key_id):
        order.append(key_id)
        work()


async def seconds_of(turns: HeavyTurns, count: int) -> float:
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(one(turns, "large", []) for _ in range(count)))
    return asyncio.get_running_loop().time() - began


async def test_between_two_turns_the_others_have_the_process() -> None:
    assert await seconds_of(shared(), 3) > 2 * (SHARE - 1) * WORK_SECONDS


async def test_a_key_that_calls_alone_does_not_wait() -> None:
    turns = HeavyTurns()
    for _ in range(5):
        turns.note_call("large")
    turns._free_at = asyncio.get_running_loop().time() + LONG_SECONDS  # noqa: SLF001  # what it owes others
    await asyncio.wait_for(one(turns, "large", []), LONG_SECONDS / 2)


async def test_what_a_key_did_alone_does_not_stop_the_next_key() -> None:
    turns = HeavyTurns()
    turns.note_call("large")
    for _ in range(60):
        async with turns.turn("large"):
            work()
    turns.note_call("quiet")
    assert turns._rest("large") <= MAX_REST_SECONDS  # noqa: SLF001  # to wait for it would take seconds


async def test_a_key_shares_the_process_also_while_its_own_calls_wait_and_only_others_come() -> None:
    turns = shared()
    await one(turns, "large", [])
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def quiet() -> None:
        while loop.time() < began + 1.3:  # longer than a call of another key is remembered
            turns.note_call("quiet")
            await asyncio.sleep(0.01)

    calls = asyncio.create_task(quiet())
    turns._free_at = began + 1.2  # noqa: SLF001  # a long rest
    await one(turns, "large", [])
    assert loop.time() >= began + 1.2
    await calls


async def test_the_first_turn_does_not_wait() -> None:
    assert await seconds_of(shared(), 1) < (SHARE - 1) * WORK_SECONDS


async def test_keys_take_turns_however_many_calls_one_has() -> None:
    turns, order = shared(), list[str]()
    calls = [one(turns, "large", order) for _ in range(6)] + [one(turns, "other", order) for _ in range(2)]
    await asyncio.gather(*calls)
    assert order[:5] == ["large", "large", "other", "large", "other"]
    assert sorted(order) == ["large"] * 6 + ["other"] * 2


async def test_work_that_is_only_counted_does_not_wait_and_makes_the_next_turn_wait() -> None:
    turns = shared()
    began = asyncio.get_running_loop().time()
    with turns.counted():
        work()
    assert asyncio.get_running_loop().time() - began < (SHARE - 1) * WORK_SECONDS
    await one(turns, "large", [])
    assert asyncio.get_running_loop().time() - began > (SHARE - 1) * WORK_SECONDS


@pytest.mark.parametrize("granted", [False, True])
async def test_a_cancelled_wait_takes_no_turn(granted: bool) -> None:
    turns, order = shared(), list[str]()
    await one(turns, "large", order)
    first, second = (asyncio.create_task(one(turns, "large", order)) for _ in range(2))
    await asyncio.sleep(0)
    if granted:
        turns._free_at = 0.0  # noqa: SLF001  # the rest is over
        turns._grant_next()  # noqa: SLF001  # in this moment
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert len(order) == 2


async def test_a_turn_that_fails_is_over() -> None:
    turns = shared()
    with pytest.raises(ValueError, match="why"):
        async with turns.turn("large"):
            raise ValueError("why")
    order: list[str] = []
    await one(turns, "large", order)
    assert order == ["large"]


def steps(name: str, count: int, order: list[str]) -> Generator[None, None, str]:
    for number in range(count):
        order.append(f"{name}{number}")
        work()
        yield
    return name


async def test_between_two_steps_of_one_work_the_others_have_the_process() -> None:
    turns, order = shared(), list[str]()
    began = asyncio.get_running_loop().time()
    assert await turns.run("large", steps("a", 3, order)) == "a"
    assert asyncio.get_running_loop().time() - began > 2 * (SHARE - 1) * WORK_SECONDS
    assert order == ["a0", "a1", "a2"]


async def test_what_one_key_has_begun_goes_before_its_other_work_and_keys_still_take_turns() -> None:
    turns, order = shared(), list[str]()
    works = turns.run("large", steps("a", 2, order)), turns.run("large", steps("b", 1, order))
    await asyncio.gather(*works, turns.run("other", steps("c", 1, order)))
    assert order == ["a0", "a1", "c0", "b0"]


async def test_a_key_that_calls_alone_does_not_rest_between_steps_and_yet_lets_its_other_calls_go_on() -> None:
    turns, order = HeavyTurns(), list[str]()

    async def small() -> None:
        for _ in range(3):
            order.append("small")
            await asyncio.sleep(0)

    turns._free_at = asyncio.get_running_loop().time() + LONG_SECONDS  # noqa: SLF001  # what it owes others
    await asyncio.wait_for(asyncio.gather(turns.run("large", steps("a", 3, order)), small()), LONG_SECONDS / 2)
    assert order.index("small") < order.index("a2")


async def test_steps_may_be_taken_at_once_or_with_others_in_between() -> None:
    order = list[str]()
    assert at_once(steps("a", 3, order)) == "a"
    other = asyncio.create_task(asyncio.sleep(0))
    assert await with_pauses(steps("b", 3, order)) == "b"
    assert other.done()


async def test_steps_that_fail_end_their_turn() -> None:
    def failing() -> Generator[None, None, None]:
        yield
        raise ValueError("why")

    turns = shared()
    with pytest.raises(ValueError, match="why"):
        await turns.run("large", failing())
    assert await turns.run("large", steps("a", 1, [])) == "a"

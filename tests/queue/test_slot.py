"""A call's turn: it waits for the lane and for a free place here, comes again after a refusal, and gives back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.eventually import until
from tidegate.core.clock import SystemClock
from tidegate.core.errors import QueueTimeout, RateLimited
from tidegate.core.rate_limits import Said
from tidegate.queue.messages import Granted, LaneTerms, Place, Ticket
from tidegate.queue.replicas import Replicas
from tidegate.queue.slot import MOST_TURNS, Turn, Turns
from tidegate.queue.waiters import Places
from tidegate.storage.redis import RedisLink

TERMS = LaneTerms(rpm=60_000)
GRANTED = Granted(Place(0))


@pytest.fixture
async def places(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[Places]:
    places = Places(
        redis_link, prefix=redis_prefix, process="p1", clock=SystemClock(), terms=lambda _: TERMS, replicas=Replicas()
    )
    await places.start()
    yield places
    await places.close()


def turn_of(turns: Turns, name: str, *, patience: float = 5.0) -> Turn:
    deadline = SystemClock().now() + patience
    ticket = Ticket(member=f"p1:{name}", tokens=1, flow="harbour", weight=4, deadline=deadline)
    return turns.turn("openai/m", ticket, GRANTED)


def turns_of(places: Places, in_flight: int) -> Turns:
    return Turns(places, terms=lambda _: TERMS, in_flight=in_flight, clock=SystemClock())


async def refused(turn: Turn, wait: float) -> bool:
    turn.refused(Said(), RateLimited(retry_after=wait))
    return await turn.again()


async def test_no_more_calls_than_allowed_are_at_the_upstream_at_once(places: Places) -> None:
    turns = turns_of(places, 2)
    here = [turn_of(turns, str(number)) for number in range(3)]
    await asyncio.gather(here[0].come(), here[1].come())
    third = asyncio.create_task(here[2].come())
    await asyncio.sleep(0)
    assert not third.done()
    here[0].over()
    here[0].over()
    await third
    assert here[2].waited > 0


async def test_who_waits_for_a_free_place_has_a_deadline(places: Places) -> None:
    turns = turns_of(places, 1)
    await turn_of(turns, "first").come()
    with pytest.raises(QueueTimeout):
        await turn_of(turns, "second", patience=0.05).come()


async def test_a_wait_that_is_given_up_takes_nobodys_place(places: Places) -> None:
    turns = turns_of(places, 1)
    first = turn_of(turns, "first")
    await first.come()
    second = asyncio.create_task(turn_of(turns, "second").come())
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    first.over()
    await turn_of(turns, "third").come()
    await until(lambda: not places.busy)


async def test_after_a_refusal_a_call_comes_again_but_not_for_ever(places: Places) -> None:
    turn = turn_of(turns_of(places, 1), "often")
    await turn.come()
    answers = [await refused(turn, 0.001) for _ in range(MOST_TURNS)]
    assert answers == [True] * (MOST_TURNS - 1) + [False]


async def test_there_is_no_use_in_coming_again_after_the_deadline(places: Places) -> None:
    turn = turn_of(turns_of(places, 1), "late", patience=1.0)
    await turn.come()
    assert not await refused(turn, 60.0)

"""Everybody aboard hears the whole answer, in order and once, whoever reads it and whoever leaves."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.coalescing.scripted import HEAD, Scripted, event, events, heard, settled, uncomplaining
from tests.eventually import PATIENCE_SECONDS
from tidegate.coalescing.flight import Flight
from tidegate.core.errors import RateLimited, TruncatedStream


@pytest.fixture(autouse=True)
async def _no_complaints() -> AsyncIterator[None]:
    async with uncomplaining():
        yield


class Airport:
    """Takes flights off and counts their landings."""

    def __init__(self) -> None:
        self.source = Scripted()
        self.landed = 0
        self.flight = Flight(self.source, on_end=self._land)

    def _land(self, flight: Flight) -> None:
        assert flight is self.flight
        self.landed += 1


@pytest.fixture
async def airport() -> Airport:
    return Airport()


async def test_a_flight_says_how_it_stands(airport: Airport) -> None:
    assert repr(airport.flight) == "<Flight opening: 0 aboard, 0 events>"
    airport.flight.board()
    airport.source.begin()
    airport.source.say(events(0, 1))
    await airport.flight.opened()
    await airport.flight.event(0)
    assert repr(airport.flight) == "<Flight open: 1 aboard, 2 events>"
    airport.source.end(cost=7)
    assert await airport.flight.event(2) is None
    assert repr(airport.flight) == "<Flight ended: 1 aboard, 2 events>"
    assert airport.flight.cost_nanos == 7
    assert airport.landed == 1
    airport.flight.leave()


async def test_many_passengers_each_hear_all_of_it_once_and_in_order(airport: Airport) -> None:
    passengers = [asyncio.create_task(heard(airport.flight)) for _ in range(100)]
    airport.source.begin()
    for number in range(0, 50, 2):
        airport.source.say(events(number, number + 1))
        await asyncio.sleep(0)
    airport.source.end()
    assert await asyncio.gather(*passengers) == [events(*range(50))] * 100
    assert airport.source.opens == airport.landed == 1
    assert airport.source.abandoned == 0


async def test_who_comes_late_hears_it_from_the_start(airport: Airport) -> None:
    airport.source.begin()
    airport.source.say(events(0, 1))
    first = asyncio.create_task(heard(airport.flight))
    await settled()
    second = asyncio.create_task(heard(airport.flight))
    airport.source.say(events(2))
    airport.source.end()
    assert await first == await second == events(0, 1, 2)
    assert await heard(airport.flight) == events(0, 1, 2), "even after it landed"


async def test_a_slow_passenger_holds_up_nobody(airport: Airport) -> None:
    airport.source.begin()
    slow = asyncio.create_task(heard(airport.flight, pause=600))
    for number in range(5):
        airport.source.say(events(number))
    airport.source.end()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await heard(airport.flight) == events(*range(5))
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_a_reader_that_hangs_up_hands_the_reading_on(airport: Airport) -> None:
    airport.source.begin()
    reader = asyncio.create_task(heard(airport.flight))
    await settled()
    waiting = asyncio.create_task(heard(airport.flight))
    await settled()
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    airport.source.say(events(0))
    airport.source.end()
    assert await waiting == events(0)
    assert airport.source.abandoned == 0


async def test_a_heartbeat_that_interrupts_the_waiting_loses_nothing(airport: Airport) -> None:
    flight = airport.flight
    flight.board()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flight.opened(), 0.001)
    airport.source.begin()
    assert await flight.opened() == HEAD
    for number in range(3):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(flight.event(number), 0.001)
        airport.source.say(events(number))
        assert await flight.event(number) == event(number)
    airport.source.end()
    assert await flight.event(3) is None
    assert airport.source.opens == 1
    flight.leave()


@given(seed=st.integers(0, 10**6))
def test_however_readers_come_pause_and_are_interrupted_all_hear_the_same(seed: int) -> None:
    loop = asyncio.new_event_loop()  # hypothesis calls this from outside the tests' own loop
    try:
        loop.run_until_complete(_a_day_at_the_airport(random.Random(seed)))  # noqa: S311  # a test's dice
    finally:
        loop.close()


async def _a_day_at_the_airport(dice: random.Random) -> None:
    airport = Airport()
    airport.source.begin()

    async def restless() -> list[bytes]:
        airport.flight.board()
        await airport.flight.opened()
        said: list[bytes] = []
        while True:
            waiting = asyncio.ensure_future(airport.flight.event(len(said)))
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            if dice.random() < 0.5 and not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting})
                continue
            if (one := await waiting) is None:
                return said
            said.append(one)

    passengers = [asyncio.ensure_future(restless()) for _ in range(dice.randrange(1, 6))]
    for number in range(10):
        for _ in range(dice.randrange(3)):
            await asyncio.sleep(0)
        airport.source.say(events(number))
    airport.source.end()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asyncio.gather(*passengers) == [events(*range(10))] * len(passengers)


async def test_the_last_one_out_ends_the_answer_and_only_the_last(airport: Airport) -> None:
    airport.source.begin()
    for _ in range(3):
        airport.flight.board()
    await airport.flight.opened()
    airport.flight.leave()
    airport.flight.leave()
    await settled()
    assert (airport.source.abandoned, airport.landed, airport.flight.boardable) == (0, 0, True)

    airport.flight.leave()
    assert not airport.flight.boardable, "from this very moment"
    await airport.flight.drained()
    assert (airport.source.abandoned, airport.landed) == (1, 1)


async def test_leaving_before_the_answer_began_ends_the_call(airport: Airport) -> None:
    airport.flight.board()
    await settled()
    airport.flight.leave()
    await airport.flight.drained()
    assert (airport.source.opens, airport.source.abandoned, airport.landed) == (0, 1, 1)


async def test_leaving_after_the_end_ends_nothing(airport: Airport) -> None:
    airport.source.begin()
    airport.source.say(events(0))
    airport.source.end()
    assert await heard(airport.flight) == events(0)
    await settled()
    assert not airport.flight.boardable
    assert airport.source.abandoned == 0
    await airport.flight.drained()


async def test_giving_up_is_over_only_when_it_was_accounted_for(airport: Airport) -> None:
    airport.source.letting_go.clear()
    airport.source.begin()
    airport.flight.board()
    await airport.flight.opened()
    airport.flight.leave()
    drained = asyncio.ensure_future(airport.flight.drained())
    await settled()
    assert airport.source.abandoned == 0
    assert not drained.done()
    airport.source.letting_go.set()
    await drained
    assert airport.source.abandoned == 1


async def test_an_answer_that_never_began_fails_for_all_with_the_same_error(airport: Airport) -> None:
    passengers = [asyncio.create_task(heard(airport.flight)) for _ in range(5)]
    await settled()
    error = RateLimited(retry_after=3.0)
    airport.source.fail(error)
    assert await asyncio.gather(*passengers, return_exceptions=True) == [error] * 5
    assert (airport.landed, airport.flight.boardable, airport.source.abandoned) == (1, False, 0)
    with pytest.raises(RateLimited):
        await heard(airport.flight)


async def test_an_answer_that_breaks_off_gives_all_what_came_and_then_the_error(airport: Airport) -> None:
    airport.source.begin()
    for _ in range(3):
        airport.flight.board()
    airport.source.say(events(0))
    error = TruncatedStream()
    airport.source.fail(error)
    await airport.flight.opened()
    for _ in range(3):
        assert await airport.flight.event(0) == event(0)
    for failed in await asyncio.gather(*(airport.flight.event(1) for _ in range(3)), return_exceptions=True):
        assert failed is error
    assert await airport.flight.opened() == HEAD
    assert airport.landed == 1
    for _ in range(3):
        airport.flight.leave()


async def test_an_error_nobody_waited_for_is_nobodys_concern() -> None:
    lonely = Airport()
    lonely.flight.board()
    lonely.source.fail(RateLimited())
    await settled()
    lonely.flight.leave()
    assert lonely.landed == 1
    del lonely

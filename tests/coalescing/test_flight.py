"""Everybody aboard hears the whole answer, in order and once, whoever reads it and whoever leaves."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.coalescing.scripted import HEAD, ScriptedSource, event, events, no_loop_errors, read_all, run_ready_tasks
from tests.eventually import PATIENCE_SECONDS
from tidegate.coalescing.flight import Flight
from tidegate.core.errors import TruncatedAnswer, UpstreamRateLimited


@pytest.fixture(autouse=True)
async def _no_complaints() -> AsyncIterator[None]:
    async with no_loop_errors():
        yield


class FlightFixture:
    """Takes flights off and counts their landings."""

    def __init__(self) -> None:
        self.source = ScriptedSource()
        self.end_count = 0
        self.flight = Flight(self.source, on_end=self._count_end)

    def _count_end(self, flight: Flight) -> None:
        assert flight is self.flight
        self.end_count += 1


@pytest.fixture
async def airport() -> FlightFixture:
    return FlightFixture()


async def test_a_flight_says_how_it_stands(airport: FlightFixture) -> None:
    assert repr(airport.flight) == "<Flight opening: 0 subscribers, 0 events>"
    airport.flight.subscribe()
    airport.source.begin()
    airport.source.add_events(events(0, 1))
    await airport.flight.head()
    await airport.flight.event(0)
    assert repr(airport.flight) == "<Flight open: 1 subscribers, 2 events>"
    airport.source.end(cost=7)
    assert await airport.flight.event(2) is None
    assert repr(airport.flight) == "<Flight ended: 1 subscribers, 2 events>"
    assert airport.flight.cost_nanos == 7
    assert airport.end_count == 1
    airport.flight.unsubscribe()


async def test_many_passengers_each_hear_all_of_it_once_and_in_order(airport: FlightFixture) -> None:
    passengers = [asyncio.create_task(read_all(airport.flight)) for _ in range(100)]
    airport.source.begin()
    for number in range(0, 50, 2):
        airport.source.add_events(events(number, number + 1))
        await asyncio.sleep(0)
    airport.source.end()
    assert await asyncio.gather(*passengers) == [events(*range(50))] * 100
    assert airport.source.opens == airport.end_count == 1
    assert airport.source.abandon_count == 0


async def test_who_comes_late_hears_it_from_the_start(airport: FlightFixture) -> None:
    airport.source.begin()
    airport.source.add_events(events(0, 1))
    first = asyncio.create_task(read_all(airport.flight))
    await run_ready_tasks()
    second = asyncio.create_task(read_all(airport.flight))
    airport.source.add_events(events(2))
    airport.source.end()
    assert await first == await second == events(0, 1, 2)
    assert await read_all(airport.flight) == events(0, 1, 2), "even after it landed"


async def test_a_slow_passenger_holds_up_nobody(airport: FlightFixture) -> None:
    airport.source.begin()
    slow = asyncio.create_task(read_all(airport.flight, pause=600))
    for number in range(5):
        airport.source.add_events(events(number))
    airport.source.end()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await read_all(airport.flight) == events(*range(5))
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_a_reader_that_hangs_up_hands_the_reading_on(airport: FlightFixture) -> None:
    airport.source.begin()
    reader = asyncio.create_task(read_all(airport.flight))
    await run_ready_tasks()
    waiting = asyncio.create_task(read_all(airport.flight))
    await run_ready_tasks()
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    airport.source.add_events(events(0))
    airport.source.end()
    assert await waiting == events(0)
    assert airport.source.abandon_count == 0


async def test_a_heartbeat_that_interrupts_the_waiting_loses_nothing(airport: FlightFixture) -> None:
    flight = airport.flight
    flight.subscribe()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flight.head(), 0.001)
    airport.source.begin()
    assert await flight.head() == HEAD
    for number in range(3):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(flight.event(number), 0.001)
        airport.source.add_events(events(number))
        assert await flight.event(number) == event(number)
    airport.source.end()
    assert await flight.event(3) is None
    assert airport.source.opens == 1
    flight.unsubscribe()


@given(seed=st.integers(0, 10**6))
def test_however_readers_come_pause_and_are_interrupted_all_hear_the_same(seed: int) -> None:
    loop = asyncio.new_event_loop()  # hypothesis calls this from outside the tests' own loop
    try:
        loop.run_until_complete(_a_day_at_the_airport(random.Random(seed)))  # noqa: S311  # a test's dice
    finally:
        loop.close()


async def _a_day_at_the_airport(dice: random.Random) -> None:
    airport = FlightFixture()
    airport.source.begin()

    async def restless() -> list[bytes]:
        airport.flight.subscribe()
        await airport.flight.head()
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
        airport.source.add_events(events(number))
    airport.source.end()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asyncio.gather(*passengers) == [events(*range(10))] * len(passengers)


async def test_the_last_one_out_ends_the_answer_and_only_the_last(airport: FlightFixture) -> None:
    airport.source.begin()
    for _ in range(3):
        airport.flight.subscribe()
    await airport.flight.head()
    airport.flight.unsubscribe()
    airport.flight.unsubscribe()
    await run_ready_tasks()
    assert (airport.source.abandon_count, airport.end_count, airport.flight.joinable) == (0, 0, True)

    airport.flight.unsubscribe()
    assert not airport.flight.joinable, "from this very moment"
    await airport.flight.wait_settled()
    assert (airport.source.abandon_count, airport.end_count) == (1, 1)


async def test_leaving_before_the_answer_began_ends_the_call(airport: FlightFixture) -> None:
    airport.flight.subscribe()
    await run_ready_tasks()
    airport.flight.unsubscribe()
    await airport.flight.wait_settled()
    assert (airport.source.opens, airport.source.abandon_count, airport.end_count) == (0, 1, 1)


async def test_leaving_after_the_end_ends_nothing(airport: FlightFixture) -> None:
    airport.source.begin()
    airport.source.add_events(events(0))
    airport.source.end()
    assert await read_all(airport.flight) == events(0)
    await run_ready_tasks()
    assert not airport.flight.joinable
    assert airport.source.abandon_count == 0
    await airport.flight.wait_settled()


async def test_giving_up_is_over_only_when_it_was_accounted_for(airport: FlightFixture) -> None:
    airport.source.may_release.clear()
    airport.source.begin()
    airport.flight.subscribe()
    await airport.flight.head()
    airport.flight.unsubscribe()
    drained = asyncio.ensure_future(airport.flight.wait_settled())
    await run_ready_tasks()
    assert airport.source.abandon_count == 0
    assert not drained.done()
    airport.source.may_release.set()
    await drained
    assert airport.source.abandon_count == 1


async def test_an_answer_that_never_began_fails_for_all_with_the_same_error(airport: FlightFixture) -> None:
    passengers = [asyncio.create_task(read_all(airport.flight)) for _ in range(5)]
    await run_ready_tasks()
    error = UpstreamRateLimited(retry_after=3.0)
    airport.source.fail(error)
    assert await asyncio.gather(*passengers, return_exceptions=True) == [error] * 5
    assert (airport.end_count, airport.flight.joinable, airport.source.abandon_count) == (1, False, 0)
    with pytest.raises(UpstreamRateLimited):
        await read_all(airport.flight)


async def test_an_answer_that_breaks_off_gives_all_what_came_and_then_the_error(airport: FlightFixture) -> None:
    airport.source.begin()
    for _ in range(3):
        airport.flight.subscribe()
    airport.source.add_events(events(0))
    error = TruncatedAnswer()
    airport.source.fail(error)
    await airport.flight.head()
    for _ in range(3):
        assert await airport.flight.event(0) == event(0)
    for failed in await asyncio.gather(*(airport.flight.event(1) for _ in range(3)), return_exceptions=True):
        assert failed is error
    assert await airport.flight.head() == HEAD
    assert airport.end_count == 1
    for _ in range(3):
        airport.flight.unsubscribe()


async def test_an_error_nobody_waited_for_is_nobodys_concern() -> None:
    lonely = FlightFixture()
    lonely.flight.subscribe()
    lonely.source.fail(UpstreamRateLimited())
    await run_ready_tasks()
    lonely.flight.unsubscribe()
    assert lonely.end_count == 1
    del lonely

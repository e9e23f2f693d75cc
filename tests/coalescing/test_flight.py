"""Each subscriber reads the whole answer, in order and once, whichever subscriber reads for all or leaves."""

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
async def setup() -> FlightFixture:
    return FlightFixture()


async def test_a_flight_says_how_it_stands(setup: FlightFixture) -> None:
    assert repr(setup.flight) == "<Flight opening: 0 subscribers, 0 events>"
    setup.flight.subscribe()
    setup.source.begin()
    setup.source.add_events(events(0, 1))
    await setup.flight.head()
    await setup.flight.event(0)
    assert repr(setup.flight) == "<Flight open: 1 subscribers, 2 events>"
    setup.source.end(cost=7)
    assert await setup.flight.event(2) is None
    assert repr(setup.flight) == "<Flight ended: 1 subscribers, 2 events>"
    assert setup.flight.cost_nanos == 7
    assert setup.end_count == 1
    setup.flight.unsubscribe()


async def test_many_subscribers_each_hear_all_of_it_once_and_in_order(setup: FlightFixture) -> None:
    subscribers = [asyncio.create_task(read_all(setup.flight)) for _ in range(100)]
    setup.source.begin()
    for number in range(0, 50, 2):
        setup.source.add_events(events(number, number + 1))
        await asyncio.sleep(0)
    setup.source.end()
    assert await asyncio.gather(*subscribers) == [events(*range(50))] * 100
    assert setup.source.opens == setup.end_count == 1
    assert setup.source.abandon_count == 0


async def test_who_comes_late_hears_it_from_the_start(setup: FlightFixture) -> None:
    setup.source.begin()
    setup.source.add_events(events(0, 1))
    first = asyncio.create_task(read_all(setup.flight))
    await run_ready_tasks()
    second = asyncio.create_task(read_all(setup.flight))
    setup.source.add_events(events(2))
    setup.source.end()
    assert await first == await second == events(0, 1, 2)
    assert await read_all(setup.flight) == events(0, 1, 2), "even after it landed"


async def test_a_slow_subscriber_delays_no_other(setup: FlightFixture) -> None:
    setup.source.begin()
    slow = asyncio.create_task(read_all(setup.flight, pause=600))
    for number in range(5):
        setup.source.add_events(events(number))
    setup.source.end()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await read_all(setup.flight) == events(*range(5))
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_a_reader_that_hangs_up_hands_the_reading_on(setup: FlightFixture) -> None:
    setup.source.begin()
    reader = asyncio.create_task(read_all(setup.flight))
    await run_ready_tasks()
    waiting = asyncio.create_task(read_all(setup.flight))
    await run_ready_tasks()
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    setup.source.add_events(events(0))
    setup.source.end()
    assert await waiting == events(0)
    assert setup.source.abandon_count == 0


async def test_a_heartbeat_that_interrupts_the_waiting_loses_nothing(setup: FlightFixture) -> None:
    flight = setup.flight
    flight.subscribe()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flight.head(), 0.001)
    setup.source.begin()
    assert await flight.head() == HEAD
    for number in range(3):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(flight.event(number), 0.001)
        setup.source.add_events(events(number))
        assert await flight.event(number) == event(number)
    setup.source.end()
    assert await flight.event(3) is None
    assert setup.source.opens == 1
    flight.unsubscribe()


@given(seed=st.integers(0, 10**6))
def test_however_readers_come_pause_and_are_interrupted_all_hear_the_same(seed: int) -> None:
    loop = asyncio.new_event_loop()  # hypothesis calls this from outside the tests' own loop
    try:
        loop.run_until_complete(_a_day_at_the_setup(random.Random(seed)))  # noqa: S311  # a test's dice
    finally:
        loop.close()


async def _a_day_at_the_setup(dice: random.Random) -> None:
    setup = FlightFixture()
    setup.source.begin()

    async def restless() -> list[bytes]:
        setup.flight.subscribe()
        await setup.flight.head()
        read_events: list[bytes] = []
        while True:
            waiting = asyncio.ensure_future(setup.flight.event(len(read_events)))
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            if dice.random() < 0.5 and not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting})
                continue
            if (one := await waiting) is None:
                return read_events
            read_events.append(one)

    subscribers = [asyncio.ensure_future(restless()) for _ in range(dice.randrange(1, 6))]
    for number in range(10):
        for _ in range(dice.randrange(3)):
            await asyncio.sleep(0)
        setup.source.add_events(events(number))
    setup.source.end()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asyncio.gather(*subscribers) == [events(*range(10))] * len(subscribers)


async def test_the_last_one_out_ends_the_answer_and_only_the_last(setup: FlightFixture) -> None:
    setup.source.begin()
    for _ in range(3):
        setup.flight.subscribe()
    await setup.flight.head()
    setup.flight.unsubscribe()
    setup.flight.unsubscribe()
    await run_ready_tasks()
    assert (setup.source.abandon_count, setup.end_count, setup.flight.joinable) == (0, 0, True)

    setup.flight.unsubscribe()
    assert not setup.flight.joinable, "from this very moment"
    await setup.flight.wait_settled()
    assert (setup.source.abandon_count, setup.end_count) == (1, 1)


async def test_leaving_before_the_answer_began_ends_the_call(setup: FlightFixture) -> None:
    setup.flight.subscribe()
    await run_ready_tasks()
    setup.flight.unsubscribe()
    await setup.flight.wait_settled()
    assert (setup.source.opens, setup.source.abandon_count, setup.end_count) == (0, 1, 1)


async def test_leaving_after_the_end_ends_nothing(setup: FlightFixture) -> None:
    setup.source.begin()
    setup.source.add_events(events(0))
    setup.source.end()
    assert await read_all(setup.flight) == events(0)
    await run_ready_tasks()
    assert not setup.flight.joinable
    assert setup.source.abandon_count == 0
    await setup.flight.wait_settled()


async def test_giving_up_is_over_only_when_it_was_accounted_for(setup: FlightFixture) -> None:
    setup.source.may_release.clear()
    setup.source.begin()
    setup.flight.subscribe()
    await setup.flight.head()
    setup.flight.unsubscribe()
    drained = asyncio.ensure_future(setup.flight.wait_settled())
    await run_ready_tasks()
    assert setup.source.abandon_count == 0
    assert not drained.done()
    setup.source.may_release.set()
    await drained
    assert setup.source.abandon_count == 1


async def test_an_answer_that_never_began_fails_for_all_with_the_same_error(setup: FlightFixture) -> None:
    subscribers = [asyncio.create_task(read_all(setup.flight)) for _ in range(5)]
    await run_ready_tasks()
    error = UpstreamRateLimited(retry_after=3.0)
    setup.source.fail(error)
    assert await asyncio.gather(*subscribers, return_exceptions=True) == [error] * 5
    assert (setup.end_count, setup.flight.joinable, setup.source.abandon_count) == (1, False, 0)
    with pytest.raises(UpstreamRateLimited):
        await read_all(setup.flight)


async def test_an_answer_that_breaks_off_gives_all_what_came_and_then_the_error(setup: FlightFixture) -> None:
    setup.source.begin()
    for _ in range(3):
        setup.flight.subscribe()
    setup.source.add_events(events(0))
    error = TruncatedAnswer()
    setup.source.fail(error)
    await setup.flight.head()
    for _ in range(3):
        assert await setup.flight.event(0) == event(0)
    for failed in await asyncio.gather(*(setup.flight.event(1) for _ in range(3)), return_exceptions=True):
        assert failed is error
    assert await setup.flight.head() == HEAD
    assert setup.end_count == 1
    for _ in range(3):
        setup.flight.unsubscribe()


async def test_a_source_that_no_subscriber_reads_is_not_opened_and_given_up_once() -> None:
    lonely = FlightFixture()
    lonely.flight.subscribe()
    lonely.source.fail(UpstreamRateLimited())
    await run_ready_tasks()
    lonely.flight.unsubscribe()
    await lonely.flight.wait_settled()
    assert (lonely.source.opens, lonely.source.abandon_count, lonely.end_count) == (0, 1, 1)


async def test_who_opens_it_may_leave_and_the_others_open_it(setup: FlightFixture) -> None:
    """Its first reader is interrupted while the answer has not begun; one that has joined goes on."""
    first, second = (asyncio.create_task(read_all(setup.flight)) for _ in range(2))
    await run_ready_tasks()
    first.cancel()
    await asyncio.wait({first})
    setup.source.begin()
    setup.source.add_events(events(0))
    setup.source.end()
    assert await second == events(0)
    assert (setup.source.opens, setup.source.abandon_count) == (1, 0)

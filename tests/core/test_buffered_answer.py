"""An answer that is all here serves a passenger as a flight does, and a flight as a source does."""

from tidegate.coalescing.flight import Flight
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.values import AnswerHead

HEAD = AnswerHead(stream=True, served_by="openai/m")
EVENTS = [b"data: 1\n\n", b"data: 2\n\n"]


async def test_a_passenger_gets_every_event_and_then_none() -> None:
    given = BufferedAnswer(HEAD, EVENTS)
    given.subscribe()
    assert await given.head() == HEAD
    assert [await given.event(index) for index in range(4)] == [*EVENTS, None, None]
    given.unsubscribe()
    assert given.cost_nanos == 0


async def test_a_flight_gets_it_once_and_then_its_end() -> None:
    given = BufferedAnswer(HEAD, EVENTS)
    assert await given.open() == HEAD
    assert [await given.more(), await given.more(), await given.more()] == [EVENTS, [], []]
    await given.abandon()


async def test_a_flight_on_it_lands_at_once() -> None:
    landed: list[Flight] = []
    flight = Flight(BufferedAnswer(HEAD, EVENTS), on_end=landed.append)
    flight.subscribe()
    assert await flight.head() == HEAD
    assert [await flight.event(index) for index in range(3)] == [*EVENTS, None]
    assert landed == [flight]
    flight.unsubscribe()


async def test_nothing_is_a_stream_without_events() -> None:
    given = BufferedAnswer(HEAD, [])
    assert await given.event(0) is None
    assert await given.more() == []

"""A buffered answer serves subscribers like a flight, and a flight like an upstream call."""

from tidegate.coalescing.flight import Flight
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.values import AnswerHead

HEAD = AnswerHead(stream=True, served_by="openai/m")
EVENTS = [b"data: 1\n\n", b"data: 2\n\n"]


async def test_a_passenger_gets_every_event_and_then_none() -> None:
    answer = BufferedAnswer(HEAD, EVENTS)
    answer.subscribe()
    assert await answer.head() == HEAD
    assert [await answer.event(index) for index in range(4)] == [*EVENTS, None, None]
    answer.unsubscribe()
    assert answer.cost_nanos == 0


async def test_a_flight_gets_it_once_and_then_its_end() -> None:
    answer = BufferedAnswer(HEAD, EVENTS)
    assert await answer.open() == HEAD
    assert [await answer.more(), await answer.more(), await answer.more()] == [EVENTS, [], []]
    await answer.abandon()


async def test_a_flight_on_it_lands_at_once() -> None:
    landed: list[Flight] = []
    flight = Flight(BufferedAnswer(HEAD, EVENTS), on_end=landed.append)
    flight.subscribe()
    assert await flight.head() == HEAD
    assert [await flight.event(index) for index in range(3)] == [*EVENTS, None]
    assert landed == [flight]
    flight.unsubscribe()


async def test_nothing_is_a_stream_without_events() -> None:
    answer = BufferedAnswer(HEAD, [])
    assert await answer.event(0) is None
    assert await answer.more() == []

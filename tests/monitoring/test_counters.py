"""Failures are counted by name and route, events by name, and gauges are read on request."""

from tidegate.core.events import CallFailure, Event, EventName
from tidegate.monitoring.counters import Counters, Gauge, Sample, sum_of


def test_nothing_has_happened_yet() -> None:
    counts = Counters().read()
    assert counts.failures == {}
    assert set(counts.internal_events) == {what.value for what in EventName}
    assert set(counts.internal_events.values()) == {0}


def filled_counters() -> Counters:
    counters = Counters()
    for route in ("chat", "chat", "responses"):
        counters.count_failure(CallFailure(error="truncated_answer", route=route))
    counters.count_event(Event(EventName.REDIS_SILENT))
    counters.count_event(Event(EventName.LEDGER_REPLAYED, 40))
    return counters


def test_what_is_told_is_counted() -> None:
    counts = filled_counters().read()
    assert counts.failures == {"truncated_answer": {"chat": 2, "responses": 1}}
    assert (counts.internal_events["redis_silent"], counts.internal_events["ledger_replayed"]) == (1, 40)


def test_a_listener_gets_each_event_from_then_on() -> None:
    counters, heard = filled_counters(), list[Event]()
    counters.add_listener(heard.append)
    counters.count_event(Event(EventName.LEDGER_HELD, 2))
    assert heard == [Event(EventName.LEDGER_HELD, 2)]


def test_a_gauge_says_how_it_stands_now() -> None:
    counters, lines = Counters(), [1]
    counters.add_gauge("lines", "How many there are.", lambda: len(lines))
    counters.add_gauge("states", "How each is.", lambda: [Sample(1, {"state": "well"})])
    expected = Gauge(name="states", help="How each is.", samples=(Sample(1, {"state": "well"}),))
    assert counters.read().gauges == (
        Gauge(name="lines", help="How many there are.", samples=(Sample(1),)),
        expected,
    )
    lines.append(2)
    assert counters.read().gauges[0].samples == (Sample(2),)


async def test_what_a_store_knows_is_asked_for() -> None:
    spent = Gauge(name="spent", help="All.", samples=(Sample(1.5),))

    async def look() -> list[Gauge]:
        return [spent]

    counters = Counters()
    counters.add_shared_gauges(look)
    assert await counters.read_shared() == (spent,)
    assert counters.read().gauges == ()


def test_what_one_process_counted_another_carries_on() -> None:
    counters = filled_counters()
    counters.add(filled_counters().read())
    assert counters.read() == sum_of([filled_counters().read(), filled_counters().read()])
    assert counters.read().failures == {"truncated_answer": {"chat": 4, "responses": 2}}

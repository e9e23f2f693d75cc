"""Failures are counted by name and route, happenings by what happened, and gauges are read when somebody looks."""

from tidegate.core.events import Failure, Happening, Own
from tidegate.monitoring.counters import Counters, Gauge, Sample, added


def test_nothing_has_happened_yet() -> None:
    counts = Counters().read()
    assert counts.failures == {}
    assert set(counts.own_parts) == {what.value for what in Own}
    assert set(counts.own_parts.values()) == {0}


def counted() -> Counters:
    counters = Counters()
    for route in ("chat", "chat", "responses"):
        counters.failed(Failure(error="truncated", route=route))
    counters.happened(Happening(Own.REDIS_SILENT))
    counters.happened(Happening(Own.LEDGER_REPLAYED, 40))
    return counters


def test_what_is_told_is_counted() -> None:
    counts = counted().read()
    assert counts.failures == {"truncated": {"chat": 2, "responses": 1}}
    assert (counts.own_parts["redis_silent"], counts.own_parts["ledger_replayed"]) == (1, 40)


def test_a_gauge_says_how_it_stands_now() -> None:
    counters, lines = Counters(), [1]
    counters.watch("lines", "How many there are.", lambda: len(lines))
    counters.watch("states", "How each is.", lambda: [Sample(1, {"state": "well"})])
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
    counters.look(look)
    assert await counters.far() == (spent,)
    assert counters.read().gauges == ()


def test_what_one_process_counted_another_carries_on() -> None:
    counters = counted()
    counters.carry_on(counted().read())
    assert counters.read() == added([counted().read(), counted().read()])
    assert counters.read().failures == {"truncated": {"chat": 4, "responses": 2}}

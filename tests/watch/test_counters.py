"""Failures are counted by name and route, happenings by what happened, and gauges are read when somebody looks."""

from tidegate.core.happenings import Failure, Happening, Own
from tidegate.watch.counters import Counters


def test_nothing_has_happened_yet() -> None:
    counts = Counters().read()
    assert counts.failures == {}
    assert set(counts.own_parts) == {what.value for what in Own}
    assert set(counts.own_parts.values()) == {0}


def test_what_is_told_is_counted() -> None:
    counters = Counters()
    for route in ("chat", "chat", "responses"):
        counters.failed(Failure(error="truncated", route=route))
    counters.happened(Happening(Own.REDIS_SILENT))
    counters.happened(Happening(Own.LEDGER_REPLAYED, 40))
    counts = counters.read()
    assert counts.failures == {"truncated": {"chat": 2, "responses": 1}}
    assert (counts.own_parts["redis_silent"], counts.own_parts["ledger_replayed"]) == (1, 40)


def test_a_gauge_says_how_it_stands_now() -> None:
    counters, lines = Counters(), [1]
    counters.watch({"lines": lambda: len(lines)})
    assert counters.read().now == {"lines": 1}
    lines.append(2)
    assert counters.read().now == {"lines": 2}

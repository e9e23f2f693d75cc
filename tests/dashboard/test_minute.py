"""A minute's fields come from the metrics' sums, add up over processes, and survive what is foreign in Redis."""

from tests.monitoring.call_reports import report
from tidegate.core.call_report import CallClass
from tidegate.core.config import MetricsConfig
from tidegate.dashboard.minute import Fields, difference, fields_of, minute_of, sum_of_minutes
from tidegate.metering.reports.usage_slots import LONGEST_MS
from tidegate.monitoring.metrics.call_metrics import CallMetrics
from tidegate.monitoring.metrics.model_names import ModelNames


def counted() -> Fields:
    config = MetricsConfig(time_buckets=(1.0, 5.0), gateway_buckets=(0.01,))
    metrics = CallMetrics(config, ModelNames({"gpt-4o-mini"}, [], max_listed=0))
    for each in (
        report(total_ms=900, first_content_ms=300),
        report(total_ms=9000, first_content_ms=2000, cache="hit"),
        report(call_class=CallClass.DEGRADED, cache="stale", total_ms=900, first_content_ms=300),
        report(call_class=CallClass.FAILED),
        report(call_class=CallClass.REFUSED, cache="off"),
        report(call_class=CallClass.CLIENT_GONE),
    ):
        metrics.observe(each)
    return fields_of(metrics.read(), {"server_error": 1})


def as_reply(fields: Fields) -> dict[bytes, bytes]:
    return {name.encode(): str(count).encode() for name, count in fields.items()}


def test_every_call_is_counted_by_how_it_ended() -> None:
    step = minute_of(as_reply(counted()), at=60).step
    assert (step.at, step.calls, step.answered, step.failed, step.refused, step.client_gone) == (60, 6, 3, 1, 1, 1)
    assert (step.hits, step.stale, step.misses, step.joined) == (1, 1, 3, 0)


def test_times_are_those_of_answered_calls() -> None:
    minute = minute_of(as_reply(counted()), at=60)
    assert (minute.whole, minute.first_content) == ({1000: 2, LONGEST_MS: 1}, {1000: 2, 5000: 1})
    assert (minute.gateway, minute.errors) == ({10: 3}, {"server_error": 1})


def test_only_what_was_added_is_written() -> None:
    before = counted()
    assert difference(before, before) == {}
    assert difference({**before, "calls": before["calls"] + 2}, before) == {"calls": 2}


def test_what_is_foreign_in_a_hash_is_left_out_and_minutes_add_up() -> None:
    foreign = {b"by:p1": b"7", b"t:100": b"many", b"colour": b"3"}
    first = minute_of({**as_reply(counted()), **foreign}, at=60)
    total = sum_of_minutes([first, minute_of(as_reply(counted()), at=120)], at=0)
    assert (total.step.calls, total.whole[1000], total.errors) == (12, 4, {"server_error": 2})
    assert sum_of_minutes([]).step.calls == 0

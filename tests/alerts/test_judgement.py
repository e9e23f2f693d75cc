"""A judgement states the measure, since when, the leading causes, and on whose side they are."""

import pytest

from tests.alerts.calls import CANNED, FAILED, GOOD, call
from tidegate.alerts.figures import SlotFigures, add_up
from tidegate.alerts.judgement import (
    DaySpending,
    FaultSide,
    fault_of,
    judge_cost,
    judge_errors,
    judge_slow,
    projected_nanos,
)
from tidegate.alerts.recorder import AlertRecorder
from tidegate.alerts.thresholds import Thresholds
from tidegate.core.call_report import CallReport
from tidegate.core.clock import ManualClock

DOLLAR = 1_000_000_000
HOUR = 3600.0
THRESHOLDS = Thresholds(model_ms={"o3": 60_000})


def slots_of(*rounds: list[CallReport]) -> list[SlotFigures]:
    clock = ManualClock(1_790_000_000.0)
    recorder = AlertRecorder(THRESHOLDS, clock)
    for calls in rounds:
        for each in calls:
            recorder.observe(each)
        clock.advance(10)
    return recorder.slots()


@pytest.mark.parametrize(
    ("slow", "fault", "shares"),
    [
        (call(ms=9_000), FaultSide.UPSTREAM, "upstream 100%, queue 0%, gateway 0%"),
        (call(ms=9_000, queue_ms=8_100), FaultSide.ACCOUNT, "upstream 10%, queue 90%, gateway 0%"),
        (call(ms=9_000, gateway_ms=8_100), FaultSide.GATEWAY, "upstream 10%, queue 0%, gateway 90%"),
    ],
)
def test_slow_calls_name_whose_time_it_was(slow: CallReport, fault: FaultSide, shares: str) -> None:
    slots = slots_of([GOOD] * 20, [GOOD] * 18 + [slow] * 4)
    judged = judge_slow(slots, add_up(slots), THRESHOLDS)
    assert (judged.is_over, judged.calls, judged.since) == (True, 42, 1_790_000_010.0)
    assert judged.measure == "95th percentile about 10.6 s, threshold 5 s"
    assert judged.fault is fault
    assert judged.causes == (f"time of the slow calls: {shares}", "4 slow calls at openai/gpt-4o-mini")


def test_the_worst_group_of_models_is_named() -> None:
    slots = slots_of([call(ms=6_000)] * 30 + [call(ms=200_000, model="o3")] * 30)
    judged = judge_slow(slots, add_up(slots), THRESHOLDS)
    assert judged.measure.startswith("95th percentile of o3 about ")
    assert judged.measure.endswith("threshold 60 s")


def test_errors_name_the_leading_cause_in_the_upstreams_words() -> None:
    slots = slots_of([GOOD] * 17 + [FAILED] * 2 + [CANNED])
    judged = judge_errors(slots, add_up(slots), THRESHOLDS)
    assert judged.is_over
    assert judged.measure == "15.0% of 20 calls (2 failed, 1 got a canned or stale answer), threshold 5%"
    assert judged.causes == (
        "2 of 3 server_error at openai: The server had an error while processing your request.",
        "1 of 3 canned at openai",
    )


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        ("server_error", FaultSide.UPSTREAM),
        ("first_byte_timeout", FaultSide.UPSTREAM),
        ("canned", FaultSide.UPSTREAM),
        ("invalid_upstream_key", FaultSide.ACCOUNT),
        ("insufficient_quota", FaultSide.ACCOUNT),
        ("upstream_rate_limited", FaultSide.ACCOUNT),
        ("queue_timeout", FaultSide.ACCOUNT),
        ("redis_unavailable", FaultSide.GATEWAY),
        ("postgres_unavailable", FaultSide.GATEWAY),
        ("internal_error", FaultSide.GATEWAY),
    ],
)
def test_each_error_is_on_someones_side(outcome: str, fault: FaultSide) -> None:
    assert fault_of(outcome) is fault


@pytest.mark.parametrize(
    ("hours", "projected"),
    [(2.9, None), (3.0, 10 + 9 * 21 / 3), (12.0, 10 + 9 * 12 / 3), (24.0, 10)],
)
def test_the_end_of_the_day_is_projected_from_three_hours(hours: float, projected: float | None) -> None:
    spent = DaySpending(
        day="2026-11-29", begin=0.0, end=24 * HOUR, spent_nanos=10 * DOLLAR, first_at=0.0, recent_nanos=9 * DOLLAR
    )
    nanos = projected_nanos(spent, hours * HOUR)
    assert nanos == (None if projected is None else round(projected * DOLLAR))
    judged = judge_cost(spent, THRESHOLDS, hours * HOUR)
    assert ("projected" in judged.measure) == (projected is not None)


def test_without_calls_all_is_calm() -> None:
    for judged in (judge_slow([], add_up([]), THRESHOLDS), judge_errors([], add_up([]), THRESHOLDS)):
        assert (judged.is_over, judged.is_calm, judged.measure) == (False, True, "no calls")

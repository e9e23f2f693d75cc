"""Figures add up: those of three processes together are those of one process that had all calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.calls import CANNED, FAILED, GOOD, SLOW, call
from tidegate.alerts.figures import (
    BUCKET_ENDS_MS,
    SlotFigures,
    WaitFigures,
    add_up,
    bucket_of,
    slot_of,
    window_slots,
)
from tidegate.alerts.recorder import AlertRecorder
from tidegate.alerts.thresholds import Thresholds
from tidegate.core.call_report import CallReport
from tidegate.core.clock import ManualClock


def figures_of(calls: list[CallReport]) -> list[SlotFigures]:
    recorder = AlertRecorder(Thresholds(), ManualClock())
    for each in calls:
        recorder.observe(each)
    return recorder.slots()


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([GOOD, SLOW, FAILED, CANNED])), max_size=60))
def test_the_sum_of_three_processes_is_that_of_one(calls: list[tuple[int, CallReport]]) -> None:
    apart = [slot for each in range(3) for slot in figures_of([report for process, report in calls if process == each])]
    together = add_up(figures_of([report for _, report in calls]))
    assert add_up(apart) == together


@pytest.mark.parametrize(
    ("calls", "over", "is_over"),
    [(20, 1, False), (20, 2, True), (100, 5, False), (100, 6, True), (1, 1, True), (0, 0, False)],
)
def test_the_95th_percentile_is_over_where_more_than_5_percent_of_the_calls_are(
    calls: int, over: int, is_over: bool
) -> None:
    assert WaitFigures(calls, over, over).is_over == is_over


@pytest.mark.parametrize(
    ("near", "over", "is_calm"), [(0, 0, True), (5, 4, True), (6, 4, False), (5, 5, False), (50, 0, False)]
)
def test_it_is_calm_well_below_the_threshold(near: int, over: int, is_calm: bool) -> None:
    assert WaitFigures(100, over, near).is_calm == is_calm


def test_buckets_hold_what_they_say() -> None:
    assert [bucket_of(each) for each in (0, 50, 51, BUCKET_ENDS_MS[-1], 10**9)] == [0, 0, 1, 45, 46]
    assert list(BUCKET_ENDS_MS) == sorted(set(BUCKET_ENDS_MS))
    assert WaitFigures(100, buckets={0: 94, 10: 6}).p95_ms == BUCKET_ENDS_MS[10]
    assert WaitFigures(1, buckets={46: 1}).p95_ms == BUCKET_ENDS_MS[-1]
    assert WaitFigures().p95_ms == 0


def test_a_window_ends_with_the_present_slot() -> None:
    assert slot_of(1_790_000_009.9) == 179_000_000
    assert list(window_slots(1_790_000_000.0, 60)) == list(range(178_999_995, 179_000_001))


def test_causes_are_counted_together_with_their_last_words() -> None:
    first = figures_of([call(FAILED.call_class, words="down since 1"), FAILED])
    assert [(cause.count, cause.outcome, cause.provider) for cause in add_up([*first, *first]).causes.values()] == [
        (4, "server_error", "openai")
    ]

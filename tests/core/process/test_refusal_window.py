"""Of many refusals the first ones of a minute are told apart, the rest are counted, and none is lost."""

from tests.observed_calls import report_of
from tidegate.core.clock import ManualClock
from tidegate.core.process.refusal_window import MAX_GROUPS, MAX_SINGLE, WINDOW_SECONDS, RefusalWindow


def test_the_first_ones_are_single_and_the_rest_one_count() -> None:
    clock = ManualClock()
    window = RefusalWindow(clock)
    report = report_of(outcome="rate_limit_exceeded")
    assert sum(window.admits(report) for _ in range(100)) == MAX_SINGLE
    assert window.take_repeats() == []
    clock.advance(WINDOW_SECONDS)
    assert [(repeated.count, repeated.last) for repeated in window.take_repeats()] == [(100 - MAX_SINGLE, report)]
    assert window.admits(report)
    assert window.take_repeats(at_end=True) == []


def test_each_key_and_reason_is_counted_by_itself_up_to_a_bound() -> None:
    window = RefusalWindow(ManualClock())
    for number in range(MAX_GROUPS):
        assert window.admits(report_of(outcome="budget_exceeded", key_id=f"key_{number}"))
    beyond = [window.admits(report_of(outcome="budget_exceeded", key_id=f"other_{number}")) for number in range(100)]
    assert sum(beyond) == MAX_SINGLE
    assert sum(repeated.count for repeated in window.take_repeats(at_end=True)) == 100 - MAX_SINGLE

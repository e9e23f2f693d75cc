"""A breaker opens on real failures, looks by free probes, lets one call try, and closes when that one is answered."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import ConnectionFailed, FirstByteTimeout, UpstreamServerError
from tidegate.routing.health import circuit_breaker
from tidegate.routing.health.circuit_breaker import CLOSED, TRIAL_SECONDS, Circuit, FailureWindow


def tally(in_a_row: int = 5, share: float = 0.5, least: int = 20, window: float = 10.0) -> FailureWindow:
    return FailureWindow(failure_threshold=in_a_row, failure_ratio=share, min_calls=least, window_seconds=window)


def test_failures_in_a_row_open() -> None:
    calls = tally()
    assert [calls.add(0.1 * number, ok=False) for number in range(5)] == [False] * 4 + [True]


def test_one_answer_between_starts_the_row_again() -> None:
    calls = tally()
    for number in range(40):
        assert not calls.add(0.1 * number, ok=number % 3 == 0 or number < 20)


def test_half_of_the_traffic_failing_opens_once_there_is_some() -> None:
    calls = tally()
    opens = [calls.add(0.01 * number, ok=number % 2 == 0) for number in range(20)]
    assert opens == [False] * 19 + [True]


def test_what_is_older_than_the_window_counts_no_more() -> None:
    calls = tally(in_a_row=100)
    for number in range(19):
        assert not calls.add(0.01 * number, ok=False)
    assert not calls.add(11.0, ok=True)
    assert not calls.add(11.0, ok=False)


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_it_opens_exactly_when_its_rule_says(answers: list[bool]) -> None:
    calls, row = tally(in_a_row=4, share=0.6, least=10), 0
    for number, ok in enumerate(answers, start=1):
        row = 0 if ok else row + 1
        failed = answers[:number].count(False)
        expected = not ok and (row >= 4 or (number >= 10 and failed >= 0.6 * number))
        assert calls.add(1.0, ok=ok) is expected


def test_forgotten_traffic_opens_nothing() -> None:
    calls = tally()
    for _ in range(4):
        calls.add(0.0, ok=False)
    calls.clear()
    assert not calls.add(0.0, ok=False)


def test_it_goes_from_open_by_a_probe_and_a_trial_to_closed() -> None:
    state = circuit_breaker.open_breaker(UpstreamServerError("No."), 100.0)
    assert (state.circuit, state.since) == (Circuit.OPEN, 100.0)
    state = circuit_breaker.after_probe(state)
    assert state.circuit is Circuit.HALF_OPEN
    closed = circuit_breaker.after_trial(state, 110.0, None)
    assert (closed.circuit, closed.error) == (Circuit.CLOSED, None)


def test_a_trial_that_fails_opens_it_again_and_the_outage_is_still_the_same() -> None:
    state = circuit_breaker.after_probe(circuit_breaker.open_breaker(UpstreamServerError("No."), 100.0))
    state = circuit_breaker.after_trial(state, 110.0, ConnectionFailed("Still no."))
    assert (state.circuit, state.since) == (Circuit.OPEN, 100.0)
    assert state.error is not None
    assert state.error["message"] == "Still no."


def test_a_trial_that_is_slow_gives_the_next_one_more_time() -> None:
    state = circuit_breaker.open_breaker(UpstreamServerError(), 100.0)
    assert state.trial_seconds == TRIAL_SECONDS
    state = circuit_breaker.after_trial(circuit_breaker.after_probe(state), 110.0, FirstByteTimeout(), slow=True)
    assert state.trial_seconds == 2 * TRIAL_SECONDS
    state = circuit_breaker.after_trial(circuit_breaker.after_probe(state), 120.0, UpstreamServerError())
    assert state.trial_seconds == TRIAL_SECONDS


def test_a_probe_changes_nothing_of_a_closed_one() -> None:
    assert circuit_breaker.after_probe(CLOSED) is CLOSED

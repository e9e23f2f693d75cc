"""Retries wait longer each time and never less than they were told, and are a tenth of the traffic at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.routing.retry_budget import FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS, RetryBudget, backoff


@given(st.integers(0, 30), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 100))
def test_a_wait_is_jittered_bounded_and_not_below_what_was_stated(
    retries: int, draw: float, stated: float | None
) -> None:
    wait = backoff(retries, draw, stated)
    most = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**retries)
    assert wait >= (stated or 0.0)
    assert most / 2 <= wait <= max(most, stated or 0.0)


def budget() -> RetryBudget:
    return RetryBudget(ratio=0.1, minimum=3)


def test_a_quiet_service_may_retry() -> None:
    retries = budget()
    retries.add_call(0.0)
    for _ in range(3):
        assert retries.allows(0.0)
        retries.add_retry(0.0)
    assert not retries.allows(9.9)
    assert retries.allows(10.0)


@pytest.mark.parametrize("calls", [100, 1000])
def test_a_busy_one_retries_a_tenth_of_its_calls(calls: int) -> None:
    retries = budget()
    for number in range(calls):
        retries.add_call(number / calls)
    made = 0
    while retries.allows(1.0):
        retries.add_retry(1.0)
        made += 1
    assert made == calls // 10


@given(st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), max_size=300))
def test_whatever_the_traffic_retries_stay_within_their_share(traffic: list[tuple[float, bool]]) -> None:
    retries, now, calls, made = budget(), 0.0, 0, 0
    for step, failed in traffic:
        now += step
        retries.add_call(now)
        calls += 1
        if failed and retries.allows(now):
            retries.add_retry(now)
            made += 1
    windows = now / 10 + 2
    assert made <= 0.1 * calls + 3 * windows

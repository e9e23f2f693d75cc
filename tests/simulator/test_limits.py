"""Rate limits refill continuously, state the wait, and take nothing when they refuse."""

import pytest

from tidegate.core.clock import ManualClock
from tidegate.simulator.limits import SimulatedRateLimits, go_duration
from tidegate.simulator.refusal import Refusal


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0059, "6ms"), (0.644, "644ms"), (1, "1s"), (8.64, "8.64s"), (20, "20s"), (360, "6m0s"),
     (432, "7m12s"), (3630.5, "1h0m30.5s")],
)  # fmt: skip
def test_durations_are_written_as_go_writes_them(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_tokens_run_out_and_come_back() -> None:
    clock = ManualClock()
    limits = SimulatedRateLimits(0, 6000, clock)
    limits.admit("gpt-4o", 5900)
    with pytest.raises(Refusal, match=r"\(TPM\): Limit 6000, Used 5900, Requested 200. Please try again in 1s\.") as no:
        limits.admit("gpt-4o", 200)
    assert (no.value.status, no.value.error["type"], no.value.headers["retry-after-ms"]) == (429, "tokens", "1000")
    clock.advance(1)
    limits.admit("gpt-4o", 200)
    assert limits.headers()["x-ratelimit-remaining-tokens"] == "0"
    assert limits.headers()["x-ratelimit-reset-tokens"] == "1m0s"


def test_a_question_larger_than_the_limit_can_never_be_asked() -> None:
    with pytest.raises(Refusal, match=r"^Request too large .* Limit 100, Requested 101") as no:
        SimulatedRateLimits(0, 100, ManualClock()).admit("gpt-4o", 101)
    assert "retry-after" not in no.value.headers


def test_a_refusal_takes_nothing_of_the_other_limit() -> None:
    limits = SimulatedRateLimits(10, 100, ManualClock())
    with pytest.raises(Refusal):
        limits.admit("gpt-4o", 101)
    assert limits.headers()["x-ratelimit-remaining-requests"] == "10"


def test_without_limits_nothing_is_refused() -> None:
    limits = SimulatedRateLimits(0, 0, ManualClock())
    for _ in range(20_000):
        limits.admit("gpt-4o", 10_000)


def test_who_keeps_to_the_limits_stated_where_there_are_none_is_not_slowed() -> None:
    headers = SimulatedRateLimits(0, 0, ManualClock()).headers()
    assert int(headers["x-ratelimit-limit-requests"]) > 60 * 10_000
    assert int(headers["x-ratelimit-limit-tokens"]) > 60 * 10_000 * 1_000

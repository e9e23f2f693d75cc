"""Steps of a range and percentiles of times: what the panels draw, as tables."""

import pytest

from tidegate.dashboard.figures import filled, percentile, step_begins, total_of
from tidegate.metering.reports.usage_slots import LONGEST_MS, UsageStep

BOUNDS = (100, 200, 400)


@pytest.mark.parametrize(
    ("counts", "ratio", "milliseconds"),
    [
        ({}, 0.5, None),
        ({100: 0}, 0.5, None),
        ({100: 10}, 0.5, 50),
        ({100: 10}, 0.95, 95),
        ({400: 10}, 0.5, 300),
        ({100: 5, 400: 5}, 0.95, 380),
        ({100: 1, LONGEST_MS: 9}, 0.95, 400),
        ({200: 1, 300: 1}, 1.0, 300),
    ],
)
def test_a_percentile_lies_within_its_bucket(counts: dict[int, int], ratio: float, milliseconds: int | None) -> None:
    assert percentile(counts, ratio, BOUNDS) == milliseconds


@pytest.mark.parametrize(("seconds", "step", "points"), [(3600, 60, 60), (86_400, 900, 96), (30 * 86_400, 21_600, 120)])
def test_the_last_step_has_now_in_it(seconds: int, step: int, points: int) -> None:
    now = 1_790_000_123.4
    begins = step_begins(now, seconds, step)
    assert len(begins) == points
    assert begins[-1] <= now < begins[-1] + step
    assert all(begin % step == 0 for begin in begins)


def test_steps_without_calls_are_there_and_sums_are_exact() -> None:
    known = UsageStep(at=60, calls=3, cost_nanos=5)
    steps = filled([known, UsageStep(at=999, calls=7)], range(0, 180, 60))
    assert [step.calls for step in steps] == [0, 3, 0]
    assert (total_of(steps).calls, total_of(steps).cost_nanos, total_of(()).calls) == (3, 5, 0)

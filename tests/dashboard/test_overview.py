"""The overview's JSON has exact amounts, null for what is not known, and at most 120 points in each range."""

import msgspec
import pytest

from tests.dashboard.overviews import OVERVIEW
from tidegate.dashboard.overview import OverviewRange, dollars, without_time


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0.000000000"),
        (1, "0.000000001"),
        (1_234_567_890, "1.234567890"),
        (-5, "-0.000000005"),
        (10**18, "1" + "0" * 9 + "." + "0" * 9),
    ],
)
def test_amounts_are_exact(nanos: int, text: str) -> None:
    assert dollars(nanos) == text


@pytest.mark.parametrize("shown", OverviewRange)
def test_a_range_has_at_most_120_equal_steps(shown: OverviewRange) -> None:
    assert shown.seconds % shown.step_seconds == 0
    assert shown.seconds // shown.step_seconds <= 120


def test_what_is_not_known_is_null_and_the_time_is_no_change() -> None:
    shown = msgspec.json.decode(msgspec.json.encode(OVERVIEW))
    assert (shown["calls"]["total"], shown["spend"]["today_usd"], shown["targets"]) == (None, None, None)
    later = msgspec.structs.replace(OVERVIEW, at=5.0)
    assert without_time(later) == without_time(OVERVIEW)

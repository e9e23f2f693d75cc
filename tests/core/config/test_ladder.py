"""What counts as down, and how often is tried again: figures that make no sense are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.core.config import BreakerConfig, RetriesConfig


@pytest.mark.parametrize(
    ("section", "figures"),
    [
        (BreakerConfig, {"failures": 0}),
        (BreakerConfig, {"share": 0}),
        (BreakerConfig, {"share": 1.1}),
        (BreakerConfig, {"calls": 0}),
        (BreakerConfig, {"window_seconds": 0.5}),
        (RetriesConfig, {"most": -1}),
        (RetriesConfig, {"most": 11}),
        (RetriesConfig, {"share": -0.1}),
        (RetriesConfig, {"floor": -1}),
    ],
)
def test_what_makes_no_sense_is_refused(section: Any, figures: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        section(**figures)


def test_a_tenth_of_the_traffic_is_tried_again_unless_told_otherwise() -> None:
    assert (RetriesConfig().budget_ratio, RetriesConfig().max_retries) == (0.1, 2)

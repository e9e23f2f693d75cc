"""Retries are few: at most ten of one call, and a tenth of the traffic by default."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.retries import RetriesConfig


@pytest.mark.parametrize(
    ("key", "value"), [("max_retries", -1), ("max_retries", 11), ("budget_ratio", -0.1), ("budget_min", -1)]
)
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        RetriesConfig.model_validate({key: value})


def test_the_defaults_are_two_retries_and_a_tenth_of_the_traffic() -> None:
    assert (RetriesConfig().budget_ratio, RetriesConfig().max_retries) == (0.1, 2)

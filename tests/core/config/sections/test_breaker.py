"""The breaker's thresholds are positive, and its ratio is at most 1."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.breaker import BreakerConfig


@pytest.mark.parametrize(
    ("key", "value"),
    [("failure_threshold", 0), ("failure_ratio", 0), ("failure_ratio", 1.1), ("min_calls", 0), ("window_seconds", 0.5)],
)
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        BreakerConfig.model_validate({key: value})

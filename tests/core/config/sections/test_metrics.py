"""Calls are measured by default, with buckets around the thresholds of the alerts."""

import pytest
from pydantic import ValidationError

from tidegate.core.config import MetricsConfig


def test_calls_are_measured_by_default() -> None:
    config = MetricsConfig()
    assert config.enabled
    assert config.labels == ("route", "provider", "model", "outcome", "cache")
    assert 5.0 in config.time_buckets  # the threshold of the alert `slow`


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_buckets": [1, 1]},
        {"time_buckets": [0, 1]},
        {"gateway_buckets": []},
        {"labels": ["model", "model"]},
        {"labels": ["end_user"]},
    ],
)
def test_other_values_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MetricsConfig.model_validate(wrong)

"""Three alerts are on by default, each may be turned off, and a fourth does not exist."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.alerts import AlertsConfig


def test_the_defaults_are_those_of_three_alerts_that_matter() -> None:
    config = AlertsConfig()
    assert config.enabled == ("slow", "errors", "cost")
    assert (config.slow_seconds, config.error_percent, config.nanos_per_day) == (5.0, 5.0, 100_000_000_000)
    assert config.channels == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enabled", ["slow", "disk"]),
        ("window_seconds", 59),
        ("window_seconds", 301),
        ("window_seconds", 3600),
        ("min_calls", 0),
        ("slow_seconds", 0),
        ("slow_seconds_by_model", {"o3": 0}),
        ("slow_seconds_by_model", {"o3": 901}),
        ("slow_seconds_by_model", {str(number): 5 for number in range(51)}),
        ("error_percent", 100),
        ("usd_per_day", -1),
        ("webhook_url", "https://example.com/hook"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        AlertsConfig.model_validate({key: value})


def test_each_alert_may_be_turned_off() -> None:
    assert AlertsConfig.model_validate({"enabled": []}).enabled == ()


def test_channels_are_those_that_have_an_address() -> None:
    given = {"webhook_url": "env:HOOK", "webhook_secret": "env:HOOK_SECRET", "slack_url": "file:/run/slack"}
    assert AlertsConfig.model_validate(given).channels == ["webhook", "slack"]
    assert AlertsConfig.model_validate({"sentry": True}).channels == ["sentry"]
    assert "HOOK" not in repr(AlertsConfig.model_validate(given))

"""Upstream errors that may pass are retryable, the others are not; only rate limits are called rate limits."""

import pytest

from tidegate.core import errors
from tidegate.core.config import UpstreamConfig
from tidegate.core.errors import UpstreamError, UpstreamRateLimited, UpstreamTimeout

EVERY = [
    kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, UpstreamError)
]
PASSING = {
    "UpstreamRateLimited", "SlowDown", "UpstreamOverloaded", "UpstreamServerError", "HtmlFromProxy", "UpstreamTimeout",
    "ConnectTimeout", "FirstByteTimeout", "IdleTimeout", "TotalTimeout", "ConnectionFailed", "TruncatedAnswer",
    "MalformedAnswer", "FlightLost", "UpstreamBusy", "QueueFull", "QueueTimeout", "TargetDown",
    "SessionLost",
}  # fmt: skip


@pytest.mark.parametrize("kind", EVERY)
def test_only_what_passes_asks_to_be_tried_again(kind: type[UpstreamError]) -> None:
    assert kind.retryable is (kind.__name__ in PASSING)


@pytest.mark.parametrize("kind", EVERY)
def test_only_a_rate_limit_speaks_of_one(kind: type[UpstreamError]) -> None:
    assert ("rate limit" in kind().message.lower()) is (kind is UpstreamRateLimited)


def test_a_limit_that_is_too_small_and_an_empty_account_are_no_rate_limits() -> None:
    assert not issubclass(errors.RequestExceedsUpstreamLimit, UpstreamRateLimited)
    assert not issubclass(errors.InsufficientQuota, UpstreamRateLimited)
    assert (errors.InsufficientQuota.type, errors.InsufficientQuota.code) == (
        "insufficient_quota",
        "insufficient_quota",
    )


@pytest.mark.parametrize("kind", UpstreamTimeout.__subclasses__())
def test_each_clock_names_the_setting_that_raises_it(kind: type[UpstreamTimeout]) -> None:
    section, _, key = kind.setting.partition(".")
    assert section == "upstream"
    assert key in UpstreamConfig.model_fields


@pytest.mark.parametrize("which", ["requests", "tokens", "day"])
def test_a_rate_limit_knows_which_and_how_long(which: str) -> None:
    error = UpstreamRateLimited("Slow.", kind=which, retry_after=0.644)
    assert (error.kind, error.retry_after, error.message) == (which, 0.644, "Slow.")


def test_the_gateways_own_key_is_not_mistaken_for_the_callers() -> None:
    assert "not the caller's key" in errors.InvalidUpstreamKey().message

"""`[sentry]` is off by default, and hides its DSN."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.sentry import SentryConfig


def test_nothing_is_sent_by_default() -> None:
    assert (SentryConfig().dsn, SentryConfig().environment) == (None, "production")


def test_the_dsn_is_hidden() -> None:
    config = SentryConfig.model_validate({"dsn": "https://public@sentry.example/1"})
    assert "public" not in repr(config)


@pytest.mark.parametrize("environment", ["", "two words", "a/b", "e" * 65])
def test_an_environment_that_sentry_would_refuse_is_refused(environment: str) -> None:
    with pytest.raises(ValidationError, match="environment"):
        SentryConfig.model_validate({"environment": environment})

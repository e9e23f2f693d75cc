"""`[alerts]`: the thresholds of the three alerts, and where their messages go."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from tidegate.core.config.secret_reference import MaybeReference
from tidegate.core.config.section import Section
from tidegate.core.money import nanos_of_decimal

AlertChoice = Literal["slow", "errors", "cost"]
MAX_SLOW_SECONDS = 900.0
ALERT_SECRETS = ("webhook_url", "webhook_secret", "slack_url")
"""The settings of this section that are secrets."""


class AlertsConfig(Section):
    """The thresholds of the three alerts, and where their messages go."""

    enabled: tuple[AlertChoice, ...] = ("slow", "errors", "cost")
    """The alerts that are judged; an empty list turns all of them off."""
    window_seconds: int = Field(default=300, ge=60, le=1800, multiple_of=10)
    """The time over which calls are judged, and for which they must be well again before an alert resolves."""
    min_calls: int = Field(default=20, ge=1)
    """Fewer calls in a window fire neither `slow` nor `errors`."""
    slow_seconds: float = Field(default=5.0, gt=0, le=MAX_SLOW_SECONDS)
    """`slow` fires if the 95th percentile of what callers wait is longer than this."""
    slow_seconds_by_model: dict[str, float] = Field(default_factory=dict, max_length=50)
    """Thresholds of single models instead of `slow_seconds`, by the name that callers ask for."""
    error_percent: float = Field(default=5.0, gt=0, lt=100)
    """`errors` fires if more of the calls fail, or get a canned or stale answer."""
    usd_per_day: Decimal = Field(default=Decimal(100), ge=0)
    """`cost` fires if more is spent in a day; nothing is rejected."""
    webhook_url: MaybeReference | None = None
    """The address to which messages are posted, or its place, such as `file:PATH`."""
    webhook_secret: MaybeReference | None = None
    """The secret with which those messages are signed, or its place; needed with `webhook_url`."""
    slack_url: MaybeReference | None = None
    """The address of an incoming webhook of Slack, or its place."""
    sentry: bool = False
    """Sends messages to the project of `sentry.dsn`, too."""

    @model_validator(mode="after")
    def _check(self) -> "AlertsConfig":
        if self.webhook_url is not None and self.webhook_secret is None:
            raise ValueError("webhook_url needs webhook_secret, with which messages are signed; set one of 32 bytes")
        for model, seconds in self.slow_seconds_by_model.items():
            if not 0 < seconds <= MAX_SLOW_SECONDS:
                raise ValueError(f"slow_seconds_by_model.{model} is {seconds:g}; write more than 0 and 900 at most")
        return self

    @property
    def nanos_per_day(self) -> int:
        """`usd_per_day` in nano-dollars."""
        return nanos_of_decimal(self.usd_per_day)

    @property
    def channels(self) -> list[str]:
        """The names of the channels that are configured here."""
        configured = {
            "webhook": self.webhook_url is not None,
            "slack": self.slack_url is not None,
            "sentry": self.sentry,
        }
        return [name for name, is_configured in configured.items() if is_configured]

"""The upstream that is there without a word."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from tidegate.core.config.section import Section

MIN_SAFE_TIMEOUT_SECONDS = 60.0
"""Seconds; OpenAI takes 45 s and more to answer, so a shorter clock cuts answers that are alive."""


class UpstreamConfig(Section):
    """Where OpenAI is and how long it may take."""

    base_url: str = "https://api.openai.com/v1"
    api_key: SecretStr | None = None
    organization: str | None = None
    project: str | None = None
    connect_seconds: float = Field(default=5.0, gt=0)
    first_byte_seconds: float = Field(default=180.0, gt=0)
    idle_seconds: float = Field(default=60.0, gt=0)
    total_seconds: float = Field(default=600.0, gt=0)
    allow_short_timeouts: bool = False
    max_connections: int = Field(default=1000, ge=1)
    max_answer_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    forward_headers: tuple[str, ...] = ("openai-*", "idempotency-key", "x-client-request-id")
    """Patterns of the caller's headers that go upstream; all others stay here."""
    ca_file: Path | None = None
    """A PEM file trusted besides the system's authorities."""
    rpm: int | None = Field(default=None, ge=1)
    """Requests per minute that the upstream takes, for each model; learnt from its answers if not set."""
    tpm: int | None = Field(default=None, ge=1)
    """Tokens per minute that the upstream takes, for each model; learnt from its answers if not set."""

    @model_validator(mode="after")
    def _refuse_short_clocks(self) -> "UpstreamConfig":
        check_timeouts((self.first_byte_seconds, self.total_seconds), allowed=self.allow_short_timeouts)
        return self


def check_timeouts(clocks: Iterable[float], *, allowed: bool) -> None:
    """Raises ValueError for a clock that cuts off answers that are alive, unless that is wanted."""
    short = min(clocks, default=MIN_SAFE_TIMEOUT_SECONDS)
    if short < MIN_SAFE_TIMEOUT_SECONDS and not allowed:
        raise ValueError(
            f"a limit of {short:g} s cuts off slow answers (OpenAI takes 45 s and more); use at least "
            f"{MIN_SAFE_TIMEOUT_SECONDS:g} s for first_byte_seconds and total_seconds, "
            "or set allow_short_timeouts = true beside them"
        )

"""`[upstream]`: OpenAI, and the defaults of every provider."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from tidegate.core.config.secret_reference import MaybeReference
from tidegate.core.config.section import Section

Cancels = Literal["never", "streams", "always"]

MIN_SAFE_TIMEOUT_SECONDS = 60.0
"""OpenAI takes 45 s and more to answer, so a shorter timeout cuts off answers that are still coming."""


class UpstreamConfig(Section):
    """Where OpenAI is, and how long it may take."""

    base_url: str = "https://api.openai.com/v1"
    """OpenAI's address, or that of a proxy in front of it; `OPENAI_BASE_URL` if not set."""
    api_key: MaybeReference | None = None
    """The place of OpenAI's key, such as `file:PATH`, or the key itself; `OPENAI_API_KEY` if not set."""
    organization: str | None = None
    """Sent as `OpenAI-Organization`; `OPENAI_ORG_ID` if not set."""
    project: str | None = None
    """Sent as `OpenAI-Project`; `OPENAI_PROJECT_ID` if not set."""
    connect_seconds: float = Field(default=5.0, gt=0)
    """Timeout for making a connection."""
    first_byte_seconds: float = Field(default=180.0, gt=0)
    """Timeout from the request to the first content of its answer; comments and empty frames do not end it."""
    idle_seconds: float = Field(default=60.0, gt=0)
    """Maximum silence within an answer."""
    total_seconds: float = Field(default=600.0, gt=0)
    """Timeout for a whole call."""
    allow_short_timeouts: bool = False
    """Whether timeouts below 60 s are accepted."""
    cancels: Cancels = "streams"
    """Which answers the provider stops writing when the connection is cut; it charges for the whole of the others."""
    stop_seconds: float = Field(default=0.1, ge=0, le=60)
    """How long the provider writes on, at most, after the connection was cut."""
    max_connections: int = Field(default=1000, ge=1)
    """Maximum of connections to each provider, in each process."""
    max_answer_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Maximum size of an answer."""
    forward_headers: tuple[str, ...] = ("openai-*", "idempotency-key", "x-client-request-id")
    """Patterns of the caller's headers that go upstream; all others do not."""
    ca_file: Path | None = None
    """A PEM file of authorities that are trusted besides the system's."""
    rpm: int | None = Field(default=None, ge=1)
    """The upstream's requests per minute for each model; learned from its answers if not set."""
    tpm: int | None = Field(default=None, ge=1)
    """The upstream's tokens per minute for each model; learned from its answers if not set."""

    @model_validator(mode="after")
    def _check_timeouts(self) -> "UpstreamConfig":
        check_timeouts((self.first_byte_seconds, self.total_seconds), allow_short=self.allow_short_timeouts)
        return self


def check_timeouts(timeouts: Iterable[float], *, allow_short: bool) -> None:
    """Raise ValueError for a timeout that cuts off slow answers, unless `allow_short`."""
    shortest = min(timeouts, default=MIN_SAFE_TIMEOUT_SECONDS)
    if shortest < MIN_SAFE_TIMEOUT_SECONDS and not allow_short:
        raise ValueError(
            f"a limit of {shortest:g} s cuts off slow answers (OpenAI takes 45 s and more); use at least "
            f"{MIN_SAFE_TIMEOUT_SECONDS:g} s for first_byte_seconds and total_seconds, "
            "or set allow_short_timeouts = true beside them"
        )

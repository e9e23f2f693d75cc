"""`[tracing]`: traces and metrics for an OpenTelemetry collector."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from tidegate.core.config.secret_reference import MaybeReference, is_reference
from tidegate.core.config.section import Section


class TracingConfig(Section):
    """Traces and metrics for an OpenTelemetry collector; needs the extra `otel`. Off without an `endpoint`."""

    endpoint: MaybeReference | None = None
    """The collector's OTLP address over HTTP, such as `http://collector:4318`, or the place of it. `/v1/traces` and
    `/v1/metrics` are added."""
    headers: dict[str, MaybeReference] = Field(default_factory=dict)
    """Headers for the collector, such as `authorization`; each a value or the place of one."""
    traces: bool = True
    """Whether spans are sent."""
    metrics: bool = True
    """Whether the GenAI metrics are sent."""
    sample_ratio: float = Field(default=1.0, ge=0, le=1)
    """The share of calls that are traced. A caller that sends `traceparent` decides for its own calls."""
    service_name: str = "tidegate"
    """The `service.name` of spans and metrics; `OTEL_RESOURCE_ATTRIBUTES` may add other attributes."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    """How long the collector may take for one batch, with the retries."""
    interval_seconds: float = Field(default=5.0, ge=0.1, le=300)
    """The longest time between two batches of spans; metrics are sent every sixth time."""
    max_queued_calls: int = Field(default=4096, ge=1, le=100_000)
    """How many ended calls each process keeps for the collector; calls beyond are dropped and counted."""

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: MaybeReference | None) -> MaybeReference | None:
        if endpoint is not None and not is_reference(text := endpoint.get_secret_value()):
            check_collector_address(text)
        return endpoint


def check_collector_address(text: str) -> None:
    """Raise ValueError if the text is no address of a collector."""
    try:
        address = urlsplit(text)
        is_address = address.scheme in {"http", "https"} and bool(address.hostname) and address.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError("it is no address of a collector; write it like `http://collector:4318`")

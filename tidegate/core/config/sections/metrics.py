"""`[metrics]`: how calls are measured for Prometheus."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tidegate.core.config.section import Section

MetricLabel = Literal["route", "provider", "model", "outcome", "cache", "project"]


def _checked_buckets(bounds: tuple[float, ...]) -> tuple[float, ...]:
    """Return the bounds of buckets. Raises ValueError."""
    if any(low >= high for low, high in zip((0.0, *bounds), bounds, strict=False)):
        raise ValueError("write seconds above 0 in ascending order, such as [0.5, 1, 5]")
    return bounds


def _checked_labels(labels: tuple[MetricLabel, ...]) -> tuple[MetricLabel, ...]:
    """Return the labels. Raises ValueError."""
    if len(set(labels)) < len(labels):
        raise ValueError("a label is named twice")
    return labels


Buckets = Annotated[tuple[float, ...], Field(min_length=1, max_length=40), AfterValidator(_checked_buckets)]


class MetricsConfig(Section):
    """How calls are measured for Prometheus."""

    enabled: bool = True
    """Whether `/metrics` has the calls' counts, tokens, dollars and times. The other metrics are always there."""
    labels: Annotated[tuple[MetricLabel, ...], AfterValidator(_checked_labels)] = (
        "route",
        "provider",
        "model",
        "outcome",
        "cache",
    )
    """The labels of those metrics; `project` may be added. Fewer labels make fewer series."""
    time_buckets: Buckets = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
    """The upper bounds of the buckets of the time to first content and of whole calls, in seconds."""
    gateway_buckets: Buckets = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
    """The upper bounds of the buckets of the gateway's own share, in seconds."""
    max_models: int = Field(default=100, ge=0, le=10_000)
    """How many models of the price list that the configuration does not name have a label; the rest is `other`."""
    max_series: int = Field(default=2000, ge=1, le=100_000)
    """How many combinations of labels each process keeps; calls beyond are counted under `other`."""

"""When the upstream counts as down, and how often a call that failed is sent again."""

from pydantic import Field

from tidegate.core.config.section import Section


class BreakerConfig(Section):
    """When a target, a model at a provider, counts as down."""

    failure_threshold: int = Field(default=5, ge=1)
    """In a row."""
    failure_ratio: float = Field(default=0.5, gt=0, le=1)
    """Of the calls of a window that failed."""
    min_calls: int = Field(default=20, ge=1)
    """That a window must have before its share counts."""
    window_seconds: float = Field(default=10.0, ge=1)


class RetriesConfig(Section):
    """How often a target that failed is asked again."""

    max_retries: int = Field(default=2, ge=0, le=10)
    """Times that one call is sent again to the same target."""
    budget_ratio: float = Field(default=0.1, ge=0, le=1)
    """Of all calls, at most, that are sent again."""
    budget_min: int = Field(default=3, ge=0)
    """Retries within ten seconds that are allowed however few calls there are."""

"""When the upstream counts as down, and how often a call that failed is sent again."""

from pydantic import Field

from tidegate.core.config.section import Section


class BreakerConfig(Section):
    """When a target, a model at a provider, counts as down."""

    failures: int = Field(default=5, ge=1)
    """In a row."""
    share: float = Field(default=0.5, gt=0, le=1)
    """Of the calls of a window that failed."""
    calls: int = Field(default=20, ge=1)
    """That a window must have before its share counts."""
    window_seconds: float = Field(default=10.0, ge=1)


class RetriesConfig(Section):
    """How often a target that failed is asked again."""

    most: int = Field(default=2, ge=0, le=10)
    """Times that one call is sent again to the same target."""
    share: float = Field(default=0.1, ge=0, le=1)
    """Of all calls, at most, that are sent again."""
    floor: int = Field(default=3, ge=0)
    """Retries within ten seconds that are allowed however few calls there are."""

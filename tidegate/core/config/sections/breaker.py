"""`[breaker]`: when a target counts as down."""

from pydantic import Field

from tidegate.core.config.section import Section


class BreakerConfig(Section):
    """When a target (a model at a provider) counts as down."""

    failure_threshold: int = Field(default=5, ge=1)
    """Consecutive failures that open the breaker."""
    failure_ratio: float = Field(default=0.5, gt=0, le=1)
    """Ratio of failed calls in a window that opens the breaker."""
    min_calls: int = Field(default=20, ge=1)
    """Minimum of calls in a window before its ratio counts."""
    window_seconds: float = Field(default=10.0, ge=1)
    """Length of a window."""

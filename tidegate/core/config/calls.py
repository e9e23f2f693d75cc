"""What callers may ask, and how long they may wait."""

from pydantic import Field

from tidegate.core.config.section import Section


class ModelsConfig(Section):
    """Which models callers may name."""

    allowed: list[str] = Field(default_factory=list)
    """Empty allows every model."""


class QueueConfig(Section):
    """How calls wait when the upstream has no room for them."""

    max_waiting: int = Field(default=10_000, ge=0)
    """Calls that may wait for one model; one more is refused."""
    deadline_seconds: float = Field(default=120.0, gt=0)
    """How long a call may wait, unless it says so itself (`x-tidegate-deadline`)."""
    max_in_flight: int = Field(default=1000, ge=1)
    """Upstream calls at once in one process."""


class BackgroundConfig(Section):
    """Background responses: jobs that outlive their request."""

    concurrency: int = Field(default=20, ge=2)
    """Background responses that one process works on at once."""
    max_open: int = Field(default=1000, ge=1)
    """Background responses of one project that wait or run; one more is refused."""
    deadline_seconds: float = Field(default=3600.0, gt=0)
    """How long one may take, from its request to its end; then it fails."""
    lease_seconds: float = Field(default=5.0, ge=0.5)
    """Silence of its process after which another takes a background response over."""

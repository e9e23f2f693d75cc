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
    in_flight: int = Field(default=1000, ge=1)
    """Upstream calls at once in one process."""

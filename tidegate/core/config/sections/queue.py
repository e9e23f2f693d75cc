"""`[queue]`: how requests wait for the upstream's capacity."""

from pydantic import Field

from tidegate.core.config.section import Section


class QueueConfig(Section):
    """How requests wait while the upstream's capacity is used up."""

    max_waiting: int = Field(default=10_000, ge=0)
    """Maximum of requests that wait for one model; one more is rejected."""
    deadline_seconds: float = Field(default=120.0, gt=0)
    """How long a request may wait, unless the caller sends `x-tidegate-deadline`."""
    max_in_flight: int = Field(default=1000, ge=1)
    """Maximum of upstream calls in progress in one process. A tenth is left to projects that have few of them."""

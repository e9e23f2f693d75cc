"""`[background]`: responses that are produced after their request has been answered."""

from pydantic import Field

from tidegate.core.config.section import Section


class BackgroundConfig(Section):
    """Background responses: jobs that outlive their request."""

    concurrency: int = Field(default=20, ge=2)
    """Background responses that one process works on at the same time."""
    max_open: int = Field(default=1000, ge=1)
    """Maximum of queued and running background responses of one project; one more is rejected."""
    deadline_seconds: float = Field(default=3600.0, gt=0)
    """Maximum time from the request to the end of its response; then the response fails."""
    lease_seconds: float = Field(default=5.0, ge=0.5)
    """Seconds without a heartbeat of its process after which another process takes a response over."""

"""`[dashboard]`: the page `/dashboard`."""

from pydantic import Field

from tidegate.core.config.section import Section


class DashboardConfig(Section):
    """The page `/dashboard`, on which an operator sees the gateway in a browser."""

    enabled: bool = True
    """Whether the page is served. Without it, `/dashboard` and everything below it is an unknown address."""
    session_hours: float = Field(default=12.0, gt=0, le=12)
    """How long a login lasts at most."""
    max_pages: int = Field(default=50, ge=1, le=1000)
    """How many pages may be open in one process; one more gets no figures."""

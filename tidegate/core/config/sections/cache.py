"""`[cache]`: stored answers."""

from pydantic import Field

from tidegate.core.config.section import Section


class CacheConfig(Section):
    """How answers are stored and shared."""

    enabled: bool = True
    """Whether answers are stored."""
    ttl_seconds: int = Field(default=3600, ge=1)
    """How long a stored answer is fresh."""
    stale_for_seconds: float = Field(default=24 * 3600.0, ge=0)
    """How long a stored answer stays available, after it was fresh, for when no upstream can answer."""
    max_answer_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """A larger answer is delivered but not stored."""
    lease_seconds: float = Field(default=5.0, ge=0.5)
    """Seconds without a sign of a flight's process after which a follower takes the flight over."""

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
    store_hosted_tools: bool = True
    """Whether answers are stored that may use tools of the provider, such as `web_search`; what these find ages."""
    store_sampled: bool = True
    """Whether answers are stored that are sampled with a `temperature` above 0, sent or by default."""
    memory_ratio: float = Field(default=0.6, gt=0, le=0.7)
    """The part of Redis's memory that the stored answers of all projects may take."""
    project_ratio: float = Field(default=0.5, gt=0, le=1)
    """The part of that room that one project may take. Beyond it, the project's own oldest answers are dropped."""
    lease_seconds: float = Field(default=5.0, ge=0.5)
    """Seconds without a sign of a flight's process after which a follower takes the flight over."""

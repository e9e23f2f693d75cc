"""How the stores are used."""

from pydantic import Field

from tidegate.core.config.section import Section


class CacheConfig(Section):
    """What is remembered of answers."""

    enabled: bool = True
    ttl_seconds: int = Field(default=3600, ge=1)
    stale_for_seconds: float = Field(default=24 * 3600.0, ge=0)
    """How long answers are kept after they have ceased to be fresh, for when nobody can be asked."""
    max_answer_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """A larger answer is delivered but not stored."""
    lease_seconds: float = Field(default=5.0, ge=0.5)
    """How long a dead process keeps its flights before a follower takes over."""


class RedisConfig(Section):
    """How Redis is used."""

    timeout_seconds: float = Field(default=0.25, gt=0)
    """The longest a call waits for Redis before it goes on without."""
    prefix: str = "tidegate"


class DatabaseConfig(Section):
    """How PostgreSQL is used."""

    pool_size: int = Field(default=10, ge=1, le=20)
    timeout_seconds: float = Field(default=5.0, gt=0)

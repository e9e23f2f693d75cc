"""`[redis]`: how Redis is used."""

from pydantic import Field

from tidegate.core.config.section import Section


class RedisConfig(Section):
    """How Redis is used."""

    timeout_seconds: float = Field(default=0.25, gt=0)
    """Maximum time that a request waits for Redis before it continues without it."""
    prefix: str = "tidegate"
    """The first part of every key in Redis."""

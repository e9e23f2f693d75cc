"""`[redis]`: how Redis is used."""

from pathlib import Path

from pydantic import Field

from tidegate.core.config.section import Section


class RedisConfig(Section):
    """How Redis is used."""

    timeout_seconds: float = Field(default=0.25, gt=0)
    """Maximum time that a request waits for Redis before it continues without it."""
    max_memory_bytes: int | None = Field(default=None, ge=1024 * 1024)
    """The memory that Redis may use, where it has no `maxmemory` of its own. Without both, its machine's memory."""
    ca_file: Path | None = None
    """A PEM file of authorities that are trusted besides the system's, for an address with `rediss://`."""
    prefix: str = Field(default="tidegate", pattern=r"^[^{}\s]{1,64}$")
    """The first part of every key in Redis, without braces and spaces."""

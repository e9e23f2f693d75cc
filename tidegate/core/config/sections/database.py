"""`[database]`: how PostgreSQL is used."""

from pydantic import Field

from tidegate.core.config.section import Section


class DatabaseConfig(Section):
    """How PostgreSQL is used."""

    pool_size: int = Field(default=10, ge=1, le=20)
    """Connections of one process."""
    timeout_seconds: float = Field(default=5.0, gt=0)
    """Maximum time for a connection, and for a query."""

"""Projects in PostgreSQL: the limits that all keys of a project share, and the limits of each of its end users.

The admin API and the CLI read and change projects here. Every change advances the epoch in Redis.
"""

import msgspec

from tidegate.auth.epoch import Epoch
from tidegate.auth.grants import GrantRow, ProjectChange, limits_of, priority_of
from tidegate.core.values import Limits, Priority
from tidegate.storage.postgres import Postgres, queries
from tidegate.storage.redis import RedisLink


class ProjectRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A project as operators see it."""

    name: str
    created_at: float
    """Unix seconds."""
    limits: Limits
    user_limits: Limits
    """The limits of each of its end users."""
    priority: Priority | None
    retention_days: int | None = None
    """Days for which its conversations are kept; None for ever."""


class ProjectStore:
    """Read and change projects. Every method raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, redis: RedisLink, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._postgres = postgres
        self._epoch = Epoch(redis, prefix)
        self._sql = queries("projects")

    async def list(self, *, after: str | None = None, limit: int | None = None) -> list[ProjectRecord]:
        """Return the projects by name: those after the name `after`, at most `limit`."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["list_projects"], after, limit)
        return [_record(row) for row in rows]

    async def get(self, name: str) -> ProjectRecord | None:
        """Return one project, or None if there is none with this name."""
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(self._sql["get_project"], name)
        return None if row is None else _record(row)

    async def update(self, name: str, change: ProjectChange) -> bool | None:
        """Change a project. Return None if there is none with this name, else whether the processes were notified."""
        async with self._postgres.connection() as connection:
            changed_id = await connection.fetchval(self._sql["update_project"], name, change.columns().decode())
        return None if changed_id is None else await self._epoch.advance()


def _record(row: GrantRow) -> ProjectRecord:
    return ProjectRecord(
        name=row["name"],
        created_at=row["created_at"],
        limits=limits_of(row),
        user_limits=limits_of(row, "user_"),
        priority=priority_of(row),
        retention_days=row["retention_days"],
    )

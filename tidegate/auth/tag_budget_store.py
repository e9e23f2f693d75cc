"""Budgets of tags in PostgreSQL: each belongs to one project. Every change advances the epoch in Redis.

The admin API and the CLI set them here; `KeyStore` reads them with the keys.
"""

from collections.abc import Collection, Mapping

import msgspec
from msgspec import UNSET, UnsetType

from tidegate.auth.epoch import Epoch
from tidegate.auth.grants import GrantRow
from tidegate.core.errors import InvalidParameter
from tidegate.core.tags import Tag
from tidegate.core.values import Limits
from tidegate.storage.postgres import Connection, Postgres, queries
from tidegate.storage.redis import RedisLink

MAX_TAG_BUDGETS = 1000
"""Tags with a budget in one project. Each process keeps them in memory."""


class TagBudgetChange(msgspec.Struct, frozen=True, kw_only=True):
    """Budgets of a tag to set, in nano-dollars. None removes a budget, UNSET leaves it as it is."""

    budget_day: int | UnsetType | None = UNSET
    budget_week: int | UnsetType | None = UNSET
    budget_month: int | UnsetType | None = UNSET

    def columns(self) -> bytes:
        """Return the changed columns of the table `tag_budgets` as a JSON object."""
        columns = {
            "budget_day_nanos": self.budget_day,
            "budget_week_nanos": self.budget_week,
            "budget_month_nanos": self.budget_month,
        }
        return msgspec.json.encode({name: value for name, value in columns.items() if value is not UNSET})


class TagBudgetStore:
    """Set budgets of tags. Raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, redis: RedisLink, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._postgres = postgres
        self._epoch = Epoch(redis, prefix)
        self._sql = queries("tag_budgets")

    async def set(self, project: str, tag: Tag, change: TagBudgetChange) -> tuple[Limits, bool] | None:
        """Set the budgets of a tag; return what they are now, and whether the processes were notified.

        Return None if there is no such project. Raises InvalidParameter when it has too many tags with a budget.
        """
        async with self._postgres.connection() as connection, connection.transaction():
            others = await connection.fetchval(self._sql["count"], project, tag.name, tag.value)
            if others >= MAX_TAG_BUDGETS:
                raise InvalidParameter(
                    f"The budget was not set: {project!r} has budgets for {others} tags, the most allowed. "
                    "Remove some, or set one for each value of a name with NAME=*.",
                    param="tag",
                )
            arguments = (project, tag.name, tag.value, change.columns().decode())
            row = await connection.fetchrow(self._sql["set"], *arguments)
            if row is None:
                return None
            await connection.execute(self._sql["drop_empty"], project)
        return _limits(row), await self._epoch.advance()


def _limits(row: GrantRow) -> Limits:
    return Limits(budget_day=row["budget_day"], budget_week=row["budget_week"], budget_month=row["budget_month"])


async def read_tag_budgets(connection: Connection, projects: Collection[str]) -> Mapping[str, Mapping[Tag, Limits]]:
    """Return the budgets of the tags of each project that has any."""
    found: dict[str, dict[Tag, Limits]] = {}
    for row in await connection.fetch(queries("tag_budgets")["find"], list(projects)):
        limits = _limits(row)
        found.setdefault(row["project"], {})[Tag(row["name"], row["value"])] = limits
    return found

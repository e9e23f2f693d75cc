"""Sums up the ledger into usage reports. Called by `tidegate usage` and the admin API."""

import re
from collections.abc import Sequence
from enum import Enum

import msgspec

from tidegate.core.errors import InvalidParameter
from tidegate.core.tags import NAME_PATTERN, Tag
from tidegate.storage.postgres import Postgres, queries


class GroupBy(Enum):
    """What the rows of a report are grouped by. Days, weeks and months are those of the report's time zone."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    KEY = "key"
    MODEL = "model"
    USER = "user"
    PROJECT = "project"
    ROUTE = "route"
    PROVIDER = "provider"
    TAG = "tag"
    """The values of one tag."""


_TAG_PREFIX = "tag:"
GROUPING_PATTERN = "^(?:{}|{}{})$".format(
    "|".join(kind.value for kind in GroupBy if kind is not GroupBy.TAG), _TAG_PREFIX, NAME_PATTERN
)
"""What `Grouping.parse` takes."""


class Grouping(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows of a report are grouped by: one of the kinds, or the values of a tag."""

    by: GroupBy
    tag_name: str | None = None
    """The tag's name, with `GroupBy.TAG`."""

    @staticmethod
    def parse(text: str) -> "Grouping":
        """Return the grouping that is written as `model` or `tag:feature`. Raises InvalidParameter."""
        if not re.fullmatch(GROUPING_PATTERN, text):
            kinds = ", ".join(kind.value for kind in GroupBy if kind is not GroupBy.TAG)
            raise InvalidParameter(f"{text!r} is none of {kinds} and tag:NAME.", param="by")
        if text.startswith(_TAG_PREFIX):
            return Grouping(by=GroupBy.TAG, tag_name=text.removeprefix(_TAG_PREFIX))
        return Grouping(by=GroupBy(text))

    @property
    def text(self) -> str:
        """Return it as it is written."""
        return self.by.value if self.tag_name is None else f"{_TAG_PREFIX}{self.tag_name}"


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one day, key, model, …; `group` is empty for calls without an end user, or without the tag."""

    group: str
    name: str | None = None
    """A key's name."""
    calls: int = 0
    hits: int = 0
    joined: int = 0
    errors: int = 0
    estimated: int = 0
    """Calls whose tokens Tidegate estimated."""
    unpriced: int = 0
    """Calls of which a price was not known."""
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanos: int = 0
    fee_nanos: int = 0
    """The part of the cost that is no tokens."""
    saved_nanos: int = 0


_SUMS = tuple(field.name for field in msgspec.structs.fields(UsageRow) if field.type is int)


class UsageReports:
    """Reads the ledger."""

    def __init__(self, postgres: Postgres, *, time_zone: str = "UTC") -> None:
        """`postgres` is shared with other stores; `time_zone` is the IANA name of the days' zone."""
        self._postgres = postgres
        self._time_zone = time_zone
        self._sql = queries("ledger")

    async def usage(
        self,
        group_by: GroupBy,
        *,
        since: float,
        until: float,
        project: str | None = None,
        tag_name: str | None = None,
        tags: Sequence[Tag] = (),
    ) -> list[UsageRow]:
        """Return the usage from `since` until before `until` (Unix seconds): periods in order, other groups by cost.

        `GroupBy.TAG` groups by the values of `tag_name`. With `tags`, only calls that have all of them are summed up.
        Raises PostgresUnavailable.
        """
        wanted = msgspec.json.encode({tag.name: tag.value for tag in tags}).decode() if tags else None
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(
                self._sql["usage"], group_by.value, since, until, project, tag_name, wanted, self._time_zone
            )
        # sums are of PostgreSQL's type numeric, which has no largest value; they are whole numbers
        return [
            UsageRow(group=row["group_value"], name=row["name"], **{field: int(row[field]) for field in _SUMS})
            for row in rows
        ]

    async def rejected(self) -> int:
        """Return the number of entries that the ledger could not hold. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            return int(await connection.fetchval(self._sql["rejected"]))


def total(rows: list[UsageRow]) -> UsageRow:
    """Return the sum of all rows."""
    return UsageRow(group="total", **{field: sum(getattr(row, field) for row in rows) for field in _SUMS})


def usd(nanos: int) -> str:
    """Return nano-dollars in dollars, exactly: with two to nine decimals."""
    sign = "-" if nanos < 0 else ""
    dollars, remainder = divmod(abs(nanos), 1_000_000_000)
    return f"{sign}{dollars}.{f'{remainder:09d}'.rstrip('0'):0<2}"

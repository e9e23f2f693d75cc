"""Sums up the ledger into usage reports. Called by `tidegate usage` and the admin API."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from tidegate.core.errors import InvalidParameter
from tidegate.core.tags import NAME_PATTERN
from tidegate.metering.reports.call_filter import ALL_CALLS, CallFilter
from tidegate.storage.postgres import Postgres, queries


class GroupBy(Enum):
    """What the rows of a report are grouped by. Hours, days, weeks and months are those of the report's time zone."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    KEY = "key"
    MODEL = "model"
    USER = "user"
    PROJECT = "project"
    ROUTE = "route"
    PROVIDER = "provider"
    OUTCOME = "outcome"
    """`ok`, or the name of the error."""
    TAG = "tag"
    """The values of one tag."""


MAX_GROUPINGS = 3
_SEPARATOR = " / "
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
    """The values of all groupings, with ` / ` between them."""
    groups: tuple[str, ...] = ()
    name: str | None = None
    """A key's name."""
    calls: int = 0
    hits: int = 0
    joined: int = 0
    errors: int = 0
    """Calls that failed or were refused."""
    degraded: int = 0
    """Calls answered by a stale answer or a canned reply."""
    client_gone: int = 0
    """Calls whose client left before the answer was complete."""
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
        statement, group = self._sql["usage"], self._sql["usage_group"]
        for place in range(1, MAX_GROUPINGS + 1):
            statement = statement.replace(f"{{group_{place}}}", group.replace("{n}", str(place)))
        self._usage = statement

    async def usage(
        self, by: Sequence[Grouping], *, since: float, until: float, calls: CallFilter = ALL_CALLS
    ) -> list[UsageRow]:
        """Return the usage of some calls from `since` until before `until` (Unix seconds).

        The rows are grouped by all of `by`, at most MAX_GROUPINGS: periods in order, other groups by cost. Raises
        ProjectNotFound, ApiKeyNotFound, InvalidParameter and PostgresUnavailable.
        """
        if not 1 <= len(by) <= MAX_GROUPINGS:
            raise InvalidParameter(f"Usage is grouped by one to {MAX_GROUPINGS} of its groups.", param="by")
        kinds, tags = [grouping.by.value for grouping in by], [grouping.tag_name for grouping in by]
        async with self._postgres.connection() as connection:
            await calls.check_known(connection)
            rows = await connection.fetch(self._usage, kinds, since, until, tags, self._time_zone, *calls.sql_values)
        # sums are of PostgreSQL's type numeric, which has no largest value; they are whole numbers
        return [_usage_row(dict(row), len(by)) for row in rows]

    async def rejected(self) -> int:
        """Return the number of entries that the ledger could not hold. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            return int(await connection.fetchval(self._sql["rejected"]))


def _usage_row(row: Mapping[str, Any], places: int) -> UsageRow:
    groups = tuple(row[f"group_{place}"] for place in range(1, places + 1))
    sums = {field: int(row[field]) for field in _SUMS}
    return UsageRow(group=_SEPARATOR.join(groups), groups=groups, name=row["name"], **sums)


def total(rows: list[UsageRow]) -> UsageRow:
    """Return the sum of all rows."""
    return UsageRow(group="total", **{field: sum(getattr(row, field) for row in rows) for field in _SUMS})


def usd(nanos: int) -> str:
    """Return nano-dollars in dollars, exactly: with two to nine decimals."""
    sign = "-" if nanos < 0 else ""
    dollars, remainder = divmod(abs(nanos), 1_000_000_000)
    return f"{sign}{dollars}.{f'{remainder:09d}'.rstrip('0'):0<2}"

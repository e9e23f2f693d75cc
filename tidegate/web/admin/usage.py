"""`/admin/v1/usage`: requests, tokens and cost. Registered by routes.py; the command is `tidegate usage`."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import Query
from pydantic import AwareDatetime, Field

from tidegate.core.clock import Clock
from tidegate.metering.usage_report import GroupBy, UsageReports, UsageRow, total, usd
from tidegate.web.admin.schemas import ListPage, ProjectListQuery, Schema, split_page

_MONTH_SECONDS = 30 * 86_400.0


class UsageQuery(ProjectListQuery):
    """Which requests to sum up, and how."""

    by: Literal["day", "key", "model", "user", "project", "route", "provider"] = "day"
    since: Annotated[
        AwareDatetime | None, Field(strict=False, description="Start. Default: 30 days before `until`.")
    ] = None
    until: Annotated[AwareDatetime | None, Field(strict=False, description="End (exclusive). Default: now.")] = None


class UsageView(Schema):
    """The requests of one group."""

    group: str = Field(description="The day, key, model, …; empty for requests that name no end user.")
    name: str | None = Field(description="The key's name.")
    calls: int = Field(description="Requests.")
    hits: int = Field(description="Requests answered from the cache.")
    joined: int = Field(description="Requests answered by another request's upstream call.")
    errors: int
    estimated: int = Field(description="Requests whose tokens the gateway counted itself.")
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: str
    saved_usd: str

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        """Return the row with its cost in dollars."""
        fields = {name: getattr(row, name) for name in cls.model_fields if not name.endswith("_usd")}
        return cls.model_validate({**fields, "cost_usd": usd(row.cost_nanos), "saved_usd": usd(row.saved_nanos)})


class UsagePage(ListPage):
    """Days in order, other groups by falling cost."""

    data: list[UsageView]
    total: UsageView = Field(description="The sum of all pages.")


class UsageHandlers:
    """Sums up the ledger."""

    def __init__(self, reports: UsageReports, clock: Clock) -> None:
        self._reports = reports
        self._clock = clock

    async def list(self, query: Annotated[UsageQuery, Query()]) -> UsagePage:
        """Sum up requests, tokens and cost by day, key, model, user, project, route or provider."""
        until = _seconds_or(query.until, self._clock.now())
        since = _seconds_or(query.since, until - _MONTH_SECONDS)
        rows = await self._reports.usage(GroupBy(query.by), since=since, until=until, project=query.project)
        groups = [row.group for row in rows]
        begin = groups.index(query.after) + 1 if query.after in groups else 0
        page, last = split_page(rows[begin : begin + query.limit + 1], query.limit)
        return UsagePage(
            data=[UsageView.of(row) for row in page],
            total=UsageView.of(total(rows)),
            has_more=last is not None,
            last=last.group if last else None,
        )


def _seconds_or(time: datetime | None, default: float) -> float:
    return default if time is None else time.timestamp()

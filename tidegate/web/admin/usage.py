"""`/admin/v1/usage`: requests, tokens and cost. Registered by routes.py; the command is `tidegate usage`."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import AwareDatetime, Field

from tidegate.core.clock import Clock
from tidegate.core.tags import MAX_TAGS, parse_tag
from tidegate.metering.reports.call_filter import CallFilter
from tidegate.metering.reports.usage_report import (
    GROUPING_PATTERN,
    MAX_GROUPINGS,
    Grouping,
    UsageReports,
    UsageRow,
    total,
    usd,
)
from tidegate.web.admin.schemas import EndUser, ListPage, Name, ProjectListQuery, Schema, TagText, split_page

_MONTH_SECONDS = 30 * 86_400.0


class UsageQuery(ProjectListQuery):
    """Which requests to sum up, and how."""

    by: list[Annotated[str, Field(pattern=GROUPING_PATTERN)]] = Field(
        default_factory=lambda: ["day"],
        min_length=1,
        max_length=MAX_GROUPINGS,
        description="`hour`, `day`, `week`, `month`, `key`, `model`, `user`, `project`, `route`, `provider`, "
        "`outcome`; `tag:NAME` for a tag's values. May be given three times.",
    )
    key: Name | None = Field(default=None, description="Only the key with this id.")
    user: EndUser | None = Field(default=None, description="Only this end user.")
    model: Name | None = Field(default=None, description="Only this model, as callers name it.")
    tag: list[TagText] = Field(
        default_factory=list, max_length=MAX_TAGS, description="Only requests with all these tags, as `NAME=VALUE`."
    )
    since: Annotated[
        AwareDatetime | None, Field(strict=False, description="Start. Default: 30 days before `until`.")
    ] = None
    until: Annotated[AwareDatetime | None, Field(strict=False, description="End (exclusive). Default: now.")] = None


class UsageView(Schema):
    """The requests of one group."""

    group: str = Field(description="The day, key, model, …; empty for requests that name no end user, or lack the tag.")
    groups: list[str] = Field(description="The same for each `by`, in their order.")
    name: str | None = Field(description="The key's name.")
    calls: int = Field(description="Requests.")
    hits: int = Field(description="Requests answered from the cache.")
    joined: int = Field(description="Requests answered by another request's upstream call.")
    errors: int = Field(description="Requests that failed or were refused.")
    degraded: int = Field(description="Requests answered by a stale answer or a canned reply.")
    client_gone: int = Field(description="Requests whose client left before the answer was complete.")
    estimated: int = Field(description="Requests whose tokens the gateway counted itself.")
    unpriced: int = Field(description="Requests of which a price was not known.")
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int = Field(description="Input tokens written to the provider's prompt cache.")
    output_tokens: int
    reasoning_tokens: int
    cost_usd: str
    fee_usd: str = Field(description="The part of the cost that is no tokens: searches, containers, images.")
    saved_usd: str

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        """Return the row with its cost in dollars."""
        fields = {name: getattr(row, name) for name in cls.model_fields if not name.endswith("_usd")}
        fields["groups"] = list(row.groups)
        money = {"cost_usd": row.cost_nanos, "fee_usd": row.fee_nanos, "saved_usd": row.saved_nanos}
        return cls.model_validate({**fields, **{name: usd(nanos) for name, nanos in money.items()}})


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
        """Sum up requests, tokens and cost by hour, day, key, model, user, project, route, provider or tag."""
        until = _seconds_or(query.until, self._clock.now())
        since = _seconds_or(query.since, until - _MONTH_SECONDS)
        calls = CallFilter(
            project=query.project,
            key_id=query.key,
            end_user=query.user,
            model=query.model,
            tags=[parse_tag(text) for text in query.tag],
        )
        groupings = [Grouping.parse(text) for text in query.by]
        rows = await self._reports.usage(groupings, since=since, until=until, calls=calls)
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

"""`/admin/v1/calls`: single calls. Registered by routes.py; the command is `tidegate calls`."""

from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import AwareDatetime, Field

from tidegate.core.clock import Clock
from tidegate.core.errors import InvalidParameter
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.tags import MAX_TAGS, parse_tag
from tidegate.metering.reports.call_filter import CallFilter
from tidegate.metering.reports.calls import CallHistory, CallLookUp, CallPosition
from tidegate.metering.reports.usage_report import usd
from tidegate.web.admin.schemas import EndUser, ListPage, Name, ProjectListQuery, Schema, TagText, split_page

_DAY_SECONDS = 86_400.0


class CallsQuery(ProjectListQuery):
    """Which calls to list, the latest first."""

    key: Name | None = Field(default=None, description="Only the key with this id.")
    user: EndUser | None = Field(default=None, description="Only this end user.")
    model: Name | None = Field(default=None, description="Only this model, as callers name it.")
    tag: list[TagText] = Field(
        default_factory=list, max_length=MAX_TAGS, description="Only calls with all these tags, as `NAME=VALUE`."
    )
    errors: Annotated[
        bool, Field(strict=False, description="Only calls that failed, were refused, or got a substitute answer.")
    ] = False
    since: Annotated[AwareDatetime | None, Field(strict=False, description="Start. Default: a day before `until`.")] = (
        None
    )
    until: Annotated[AwareDatetime | None, Field(strict=False, description="End (exclusive). Default: now.")] = None


class CallView(Schema):
    """One call, as the ledger has it."""

    id: str = Field(description="The `x-request-id` of its answer.")
    at: str = Field(description="When it arrived, UTC.")
    project: str
    key_id: str
    end_user: str | None
    route: str
    model: str = Field(description="As the caller named it.")
    served_model: str | None
    provider: str | None = Field(description="Null for a call that was refused before it was admitted.")
    credential: str | None = Field(description="The upstream credential that answered, or failed last.")
    outcome: str = Field(description="`ok`, or the name of the error.")
    error_text: str | None = Field(description="The error in the upstream's own words.")
    cache: str
    answer_from: str | None = Field(description="The call whose answer this one received. Purge it by this id.")
    fallback_step: str | None
    attempts: int
    stream: bool
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool = Field(description="Whether the gateway counted the tokens itself.")
    cost_usd: str
    saved_usd: str
    latency_ms: int
    first_byte_ms: int | None
    queue_ms: int
    upstream_request_id: str | None
    tags: dict[str, str] | None
    repeats: int = Field(description="Further refusals of the same kind that this entry stands for.")

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        """Return an entry with its cost in dollars and its moment as text."""
        fields = {name: getattr(entry, name) for name in cls.model_fields if hasattr(entry, name)}
        moment = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")
        money = {"cost_usd": usd(entry.cost_nanos), "saved_usd": usd(entry.saved_nanos)}
        return cls.model_validate({**fields, **money, "at": moment})


class CallHistoryView(Schema):
    """What the ledger knows of one call."""

    entries: list[CallView] = Field(description="One, unless the call took another one over. The latest first.")
    receivers: int = Field(description="How many other calls received its answer, up to 10,000.")

    @classmethod
    def of(cls, history: CallHistory) -> Self:
        """Return the history."""
        return cls(entries=[CallView.of(entry) for entry in history.entries], receivers=history.receivers)


class CallPage(ListPage):
    """Calls, the latest first."""

    data: list[CallView]


class CallHandlers:
    """Looks single calls up."""

    def __init__(self, look_up: CallLookUp, clock: Clock) -> None:
        self._look_up = look_up
        self._clock = clock

    async def list(self, query: Annotated[CallsQuery, Query()]) -> CallPage:
        """List calls of a period, the latest first."""
        until = self._clock.now() if query.until is None else query.until.timestamp()
        since = until - _DAY_SECONDS if query.since is None else query.since.timestamp()
        calls = CallFilter(
            project=query.project,
            key_id=query.key,
            end_user=query.user,
            model=query.model,
            tags=[parse_tag(text) for text in query.tag],
        )
        entries = await self._look_up.list(
            calls,
            since=since,
            until=until,
            limit=query.limit + 1,
            only_errors=query.errors,
            after=None if query.after is None else _position(query.after),
        )
        page, last = split_page(entries, query.limit)
        return CallPage(
            data=[CallView.of(entry) for entry in page],
            has_more=last is not None,
            last=f"{last.at:.6f}:{last.id}" if last else None,
        )

    async def get(self, call_id: Name) -> CallHistoryView:
        """Return a call by its `x-request-id`, or by its id at the upstream."""
        return CallHistoryView.of(await self._look_up.find(call_id))


def _position(after: str) -> CallPosition:
    moment, _, call_id = after.partition(":")
    try:
        return CallPosition(float(moment), call_id)
    except ValueError as error:
        raise InvalidParameter("`after` is the `last` of the previous page.", param="after") from error

"""What the admin API takes and gives, which is also what `--json` prints. Money is US dollars in decimal text."""

import difflib
from typing import Annotated, Any, Literal, Self

from msgspec import UNSET
from msgspec.structs import asdict
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tidegate.auth.grants import MAX_COUNT, MAX_RETENTION_DAYS, KeyChange, LimitsChange, ProjectChange
from tidegate.auth.key_store import KeyRecord
from tidegate.auth.project_store import ProjectRecord
from tidegate.background.job_store import OpenJob
from tidegate.core.money import nanos_of
from tidegate.core.values import Limits, Priority
from tidegate.limits.budget_report import Budget, BudgetListing
from tidegate.metering.usage_report import UsageRow, usd
from tidegate.queue.report import LaneStatus

MAX_LISTED = 1000
"""Entries in one page."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("names are printable text")
    return text


def _exact_usd(text: str) -> str:
    nanos_of(text)
    return text


Name = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
ProjectName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Usd = Annotated[str, AfterValidator(_exact_usd), Field(examples=["1.00", "0.000001"])]
UnixTime = Annotated[float, Field(ge=0, le=253_402_300_799, description="Unix seconds.")]
PriorityName = Literal["high", "normal", "low"]


class UnknownField(ValueError):
    """A field that a shape does not have."""

    def __init__(self, field: str, hint: str) -> None:
        """`hint` names what was probably meant."""
        self.field = field
        self.hint = hint
        super().__init__(f"{field} is unknown, {hint}")


class Schema(BaseModel):
    """Refuses what it does not know, and says what was probably meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _know_every_field(cls, given: Any) -> Any:
        for name in given if isinstance(given, dict) else ():
            if name not in cls.model_fields:
                close = difflib.get_close_matches(str(name), cls.model_fields, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(cls.model_fields)}"
                raise UnknownField(str(name), hint)
        return given


class LimitsSchema(Schema):
    """Limits; null is no limit, 0 is nothing at all. Days and months are UTC."""

    rpm: Count | None = Field(default=None, description="Requests per minute.")
    rpd: Count | None = Field(default=None, description="Requests per day.")
    tpm: Count | None = Field(default=None, description="Tokens per minute.")
    concurrency: Count | None = Field(default=None, description="Calls in flight at once.")
    budget_day_usd: Usd | None = Field(default=None, description="US dollars per day.")
    budget_month_usd: Usd | None = Field(default=None, description="US dollars per month.")

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """The limits, as they are shown."""
        return cls(
            rpm=limits.rpm,
            rpd=limits.rpd,
            tpm=limits.tpm,
            concurrency=limits.concurrency,
            budget_day_usd=_usd(limits.budget_day),
            budget_month_usd=_usd(limits.budget_month),
        )

    def to_change(self) -> LimitsChange:
        """What was said of limits; of the others nothing changes."""
        said = {name.removesuffix("_usd"): getattr(self, name) for name in self.model_fields_set}
        return LimitsChange(**{name: nanos_of(it) if isinstance(it, str) else it for name, it in said.items()})


class NewKeyRequest(Schema):
    """A key to make."""

    project: ProjectName
    name: Name = ""
    expires_at: UnixTime | None = None
    admin: bool = Field(default=False, description="It administers the gateway, and asks no model anything.")
    limits: LimitsSchema = LimitsSchema()
    priority: PriorityName | None = Field(default=None, description="null: the project's.")
    models: list[ProjectName] = Field(default=[], max_length=100, description="Those it may name; empty for all.")

    def to_grants(self) -> KeyChange:
        """What it is granted."""
        return KeyChange(
            limits=self.limits.to_change(), priority=_priority(self.priority), models=tuple(dict.fromkeys(self.models))
        )


class KeyUpdateRequest(Schema):
    """What to change of a key: only what is named."""

    name: Name = ""
    expires_at: UnixTime | None = Field(default=None, description="Unix seconds; null for never.")
    limits: LimitsSchema = LimitsSchema()
    priority: PriorityName | None = Field(default=None, description="null: the project's.")
    models: list[ProjectName] = Field(default=[], max_length=100, description="Those it may name; empty for all.")

    def to_change(self) -> KeyChange:
        """The same for the store."""
        said = self.model_fields_set
        return KeyChange(
            name=self.name if "name" in said else UNSET,
            expires_at=self.expires_at if "expires_at" in said else UNSET,
            limits=self.limits.to_change(),
            priority=_priority(self.priority) if "priority" in said else UNSET,
            models=tuple(dict.fromkeys(self.models)) if "models" in said else UNSET,
        )


class ProjectUpdateRequest(Schema):
    """What to change of a project: only what is named."""

    limits: LimitsSchema = LimitsSchema()
    user_limits: LimitsSchema = Field(default=LimitsSchema(), description="Of each end user.")
    priority: PriorityName | None = Field(default=None, description="null: normal.")
    retention_days: int | None = Field(
        default=None,
        ge=1,
        le=MAX_RETENTION_DAYS,
        description="How long what is stored from now on is kept; null: for ever.",
    )

    def to_change(self) -> ProjectChange:
        """The same for the store."""
        return ProjectChange(
            limits=self.limits.to_change(),
            user_limits=self.user_limits.to_change(),
            priority=_priority(self.priority) if "priority" in self.model_fields_set else UNSET,
            retention_days=self.retention_days if "retention_days" in self.model_fields_set else UNSET,
        )


class KeyView(Schema):
    """A key; of its secret only the last four characters. Times are in Unix seconds."""

    id: str
    project: str
    name: str
    hint: str
    admin: bool
    state: Literal["active", "expired", "revoked"]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    limits: LimitsSchema
    priority: PriorityName | None
    models: list[str]

    @classmethod
    def of(cls, record: KeyRecord, now: float, **more: Any) -> Self:
        """The key, as it stands at `now`."""
        shown = {
            "state": record.state(now),
            "limits": LimitsSchema.of(record.limits),
            "priority": _label(record.priority),
            "models": list(record.models),
        }
        return cls.model_validate({**asdict(record), **shown, **more})


class NewKeyView(KeyView):
    """A key just made: the only time that `key` itself is shown."""

    key: str


class ProjectView(Schema):
    """A project."""

    name: str
    created_at: float
    limits: LimitsSchema
    user_limits: LimitsSchema
    priority: PriorityName | None
    retention_days: int | None = Field(description="How long what is stored is kept; null: for ever.")

    @classmethod
    def of(cls, record: ProjectRecord) -> Self:
        """The project."""
        limits = {"limits": LimitsSchema.of(record.limits), "user_limits": LimitsSchema.of(record.user_limits)}
        return cls.model_validate({**asdict(record), **limits, "priority": _label(record.priority)})


class BudgetView(Schema):
    """One budget of one UTC day or month."""

    kind: Literal["all", "project", "key", "user"]
    project: str | None
    key_id: str | None
    name: str | None = Field(description="A key's name.")
    user: str | None
    period: Literal["day", "month"]
    spent_usd: str
    reserved_usd: str = Field(description="What calls under way may still cost.")
    budget_usd: str | None = Field(description="null: spending is counted and never stopped.")
    used_ratio: float | None = Field(description="Of the budget, what is spent or held; 1 is all of it.")
    renews_at: float = Field(description="Unix seconds.")

    @classmethod
    def of(cls, budget: Budget) -> Self:
        """The budget."""
        return cls.model_validate(
            {
                "kind": budget.kind,
                "project": budget.project,
                "key_id": budget.key_id,
                "name": budget.name,
                "user": budget.user,
                "period": budget.period,
                "spent_usd": usd(budget.spent),
                "held_usd": usd(budget.reserved),
                "budget_usd": _usd(budget.budget),
                "share": None if budget.used_ratio is None else round(budget.used_ratio, 6),
                "renews_at": budget.renews_at,
            }
        )


class ListPage(Schema):
    """Part of a list; the next part is asked for with `after`."""

    object: Literal["list"] = "list"
    has_more: bool
    last: str | None = Field(description="What to give as `after`; null when nothing follows.")


class KeyPage(ListPage):
    """Keys, oldest first."""

    data: list[KeyView]


class ProjectPage(ListPage):
    """Projects by name."""

    data: list[ProjectView]


class BudgetPage(ListPage):
    """The deployment first, then keys, projects and end users that have a budget."""

    data: list[BudgetView]
    is_complete: bool = Field(
        description="false: Redis is new or lost its memory; the ledger is counted into it before the next paid call."
    )

    @classmethod
    def of(cls, budgets: BudgetListing) -> Self:
        """The page."""
        data = [BudgetView.of(budget) for budget in budgets.budgets]
        return cls(data=data, is_complete=budgets.counters_valid, has_more=budgets.last is not None, last=budgets.last)


class WaiterView(Schema):
    """A call that waits. Times are in seconds."""

    request_id: str
    project: str
    priority: PriorityName
    estimated_tokens: int = Field(description="The estimate of what it will use.")
    waited_seconds: float
    estimated_wait_seconds: float | None = Field(description="Until its turn, at the rate that is known.")
    seconds_to_deadline: float = Field(description="Until its deadline.")


class LaneView(Schema):
    """The queue in front of one credential and model."""

    name: str
    rpm: int | None = Field(description="Requests per minute that the upstream takes; null while not known.")
    tpm: int | None = Field(description="Tokens per minute, likewise.")
    in_flight: int = Field(description="Calls under way.")
    paused_seconds: float = Field(description="Seconds for which the upstream's word holds everybody back.")
    waiting: int
    waiters: list[WaiterView] = Field(description="The first of them, in the order of their going.")

    @classmethod
    def of(cls, lane: LaneStatus) -> Self:
        """The lane."""
        waiters = [{**asdict(waiter), "priority": waiter.priority.label} for waiter in lane.waiters]
        return cls.model_validate({**asdict(lane), "waiters": waiters})


class JobView(Schema):
    """A background response that waits or is being made."""

    response_id: str
    project: str
    key_id: str
    status: str = Field(description="queued or in_progress.")
    attempt: int
    deaths: int = Field(description="Processes that died over it.")
    worker: str | None = Field(description="The process that makes it.")
    created_at: UnixTime
    started_at: UnixTime | None
    deadline: UnixTime = Field(description="Unix seconds; then it has failed.")

    @classmethod
    def of(cls, job: OpenJob) -> Self:
        """The job."""
        return cls.model_validate(asdict(job))


class JobPage(Schema):
    """The oldest of them first, at most 1,000."""

    data: list[JobView]


class QueueView(Schema):
    """All queues, by name."""

    object: Literal["list"] = "list"
    data: list[LaneView]


class UsageView(Schema):
    """The calls of one day, key, model, …; `what` is empty for those that named no user."""

    group: str
    name: str | None = Field(description="A key's name.")
    calls: int
    hits: int
    joined: int
    errors: int
    estimated: int = Field(description="Calls whose tokens the gateway counted itself.")
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: str
    saved_usd: str

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        """The row."""
        same = {name: getattr(row, name) for name in cls.model_fields if not name.endswith("_usd")}
        return cls.model_validate({**same, "cost_usd": usd(row.cost_nanos), "saved_usd": usd(row.saved_nanos)})


class UsagePage(ListPage):
    """Days in order, all else the dearest first; `total` is of all pages."""

    data: list[UsageView]
    total: UsageView


def _usd(nanos: int | None) -> str | None:
    return None if nanos is None else usd(nanos)


def _priority(label: PriorityName | None) -> Priority | None:
    return None if label is None else Priority[label.upper()]


def _label(priority: Priority | None) -> str | None:
    return None if priority is None else priority.label

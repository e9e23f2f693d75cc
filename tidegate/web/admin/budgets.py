"""`/admin/v1/budgets`: what is spent of each budget, and the budgets of tags.

Registered by routes.py; the command is `tidegate budgets`.
"""

from typing import Annotated, Literal, Self

from fastapi import Query
from pydantic import Field

from tidegate.auth.tag_budget_store import TagBudgetChange, TagBudgetStore
from tidegate.core.clock import Clock
from tidegate.core.money import nanos_of
from tidegate.core.tags import Tag, parse_tag
from tidegate.core.values import Limits
from tidegate.limits.budget_report import Budget, BudgetListing, BudgetReport
from tidegate.metering.reports.usage_report import usd
from tidegate.web.admin.projects import project_not_found
from tidegate.web.admin.schemas import (
    ListPage,
    ProjectListQuery,
    ProjectName,
    Schema,
    TagText,
    Usd,
    optional_usd,
)


class BudgetView(Schema):
    """One budget of one day, week or month."""

    kind: Literal["all", "project", "key", "user", "tag"]
    project: str | None
    key_id: str | None
    name: str | None = Field(description="The key's name.")
    user: str | None
    tag: str | None = Field(description="The tag, as `NAME=VALUE`.")
    period: Literal["day", "week", "month"]
    spent_usd: str
    reserved_usd: str = Field(description="The most that requests in progress may still cost.")
    budget_usd: str | None = Field(description="null: spending is counted and not limited.")
    used_ratio: float | None = Field(description="Spent and reserved share of the budget; 1 is all of it.")
    is_nearly_used: bool = Field(description="Whether 80 % of the budget is spent, or more.")
    renews_at: float = Field(description="Unix seconds.")

    @classmethod
    def of(cls, budget: Budget) -> Self:
        """Return the budget in dollars."""
        return cls.model_validate(
            {
                "kind": budget.kind,
                "project": budget.project,
                "key_id": budget.key_id,
                "name": budget.name,
                "user": budget.user,
                "tag": budget.tag,
                "period": budget.period,
                "spent_usd": usd(budget.spent),
                "reserved_usd": usd(budget.reserved),
                "budget_usd": optional_usd(budget.budget),
                "used_ratio": None if budget.used_ratio is None else round(budget.used_ratio, 6),
                "is_nearly_used": budget.is_nearly_used,
                "renews_at": budget.renews_at,
            }
        )


class BudgetPage(ListPage):
    """The deployment's budgets first, then those of keys, projects, tags and end users."""

    data: list[BudgetView]
    is_complete: bool = Field(
        description="false after Redis lost its data, until the figures are read from the ledger again."
    )

    @classmethod
    def of(cls, listing: BudgetListing) -> Self:
        """Return the page."""
        data = [BudgetView.of(budget) for budget in listing.budgets]
        return cls(data=data, is_complete=listing.counters_valid, has_more=listing.last is not None, last=listing.last)


class TagBudgetRequest(Schema):
    """Budgets of a tag. Fields that are left out do not change; `null` removes a budget."""

    project: ProjectName
    tag: TagText = Field(description="`NAME=VALUE`, or `NAME=*` for each value that has no budget of its own.")
    budget_day_usd: Usd | None = Field(default=None, description="US dollars per day.")
    budget_week_usd: Usd | None = Field(default=None, description="US dollars per week, from Monday.")
    budget_month_usd: Usd | None = Field(default=None, description="US dollars per month.")

    def to_change(self) -> TagBudgetChange:
        """Return the change for the store."""
        values = {name: getattr(self, name) for name in ("budget_day_usd", "budget_week_usd", "budget_month_usd")}
        return TagBudgetChange(
            **{
                name.removesuffix("_usd"): None if value is None else nanos_of(value)
                for name, value in values.items()
                if name in self.model_fields_set
            }
        )


class TagBudgetView(Schema):
    """The budgets of a tag."""

    project: str
    tag: str
    budget_day_usd: str | None
    budget_week_usd: str | None
    budget_month_usd: str | None
    is_counted: bool = Field(
        description="false if Redis did not answer: then set it again, so that what was spent so far counts."
    )

    @classmethod
    def of(cls, project: str, tag: Tag, limits: Limits, *, counted: bool) -> Self:
        """Return the budgets in dollars."""
        return cls(
            project=project,
            tag=tag.text,
            budget_day_usd=optional_usd(limits.budget_day),
            budget_week_usd=optional_usd(limits.budget_week),
            budget_month_usd=optional_usd(limits.budget_month),
            is_counted=counted,
        )


class BudgetHandlers:
    """Lists budgets, and sets those of tags."""

    def __init__(self, budgets: BudgetReport, tags: TagBudgetStore, clock: Clock) -> None:
        self._budgets = budgets
        self._tags = tags
        self._clock = clock

    async def list(self, query: Annotated[ProjectListQuery, Query()]) -> BudgetPage:
        """List the budgets: spent, reserved by requests in progress, and when each renews."""
        now = self._clock.now()
        listing = await self._budgets.read(now, project=query.project, after=query.after, limit=query.limit)
        return BudgetPage.of(listing)

    async def set_tag(self, changes: TagBudgetRequest) -> TagBudgetView:
        """Set the budgets of a tag. Every replica applies them within a second; the ledger says what is spent."""
        tag = parse_tag(changes.tag)
        outcome = await self._tags.set(changes.project, tag, changes.to_change())
        if outcome is None:
            raise project_not_found(changes.project)
        return TagBudgetView.of(changes.project, tag, outcome[0], counted=await self._budgets.recount())

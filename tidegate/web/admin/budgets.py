"""`/admin/v1/budgets`: what is spent of each budget. Registered by routes.py; the command is `tidegate budgets`."""

from typing import Annotated, Literal, Self

from fastapi import Query
from pydantic import Field

from tidegate.core.clock import Clock
from tidegate.limits.budget_report import Budget, BudgetListing, BudgetReport
from tidegate.metering.usage_report import usd
from tidegate.web.admin.schemas import ListPage, ProjectListQuery, Schema, optional_usd


class BudgetView(Schema):
    """One budget of one UTC day or month."""

    kind: Literal["all", "project", "key", "user"]
    project: str | None
    key_id: str | None
    name: str | None = Field(description="The key's name.")
    user: str | None
    period: Literal["day", "month"]
    spent_usd: str
    reserved_usd: str = Field(description="The most that requests in progress may still cost.")
    budget_usd: str | None = Field(description="null: spending is counted and not limited.")
    used_ratio: float | None = Field(description="Spent and reserved share of the budget; 1 is all of it.")
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
                "period": budget.period,
                "spent_usd": usd(budget.spent),
                "reserved_usd": usd(budget.reserved),
                "budget_usd": optional_usd(budget.budget),
                "used_ratio": None if budget.used_ratio is None else round(budget.used_ratio, 6),
                "renews_at": budget.renews_at,
            }
        )


class BudgetPage(ListPage):
    """The deployment's budgets first, then those of keys, projects and end users."""

    data: list[BudgetView]
    is_complete: bool = Field(
        description="false after Redis lost its data, until the figures are read from the ledger again."
    )

    @classmethod
    def of(cls, listing: BudgetListing) -> Self:
        """Return the page."""
        data = [BudgetView.of(budget) for budget in listing.budgets]
        return cls(data=data, is_complete=listing.counters_valid, has_more=listing.last is not None, last=listing.last)


class BudgetHandlers:
    """Lists budgets."""

    def __init__(self, budgets: BudgetReport, clock: Clock) -> None:
        self._budgets = budgets
        self._clock = clock

    async def list(self, query: Annotated[ProjectListQuery, Query()]) -> BudgetPage:
        """List the budgets: spent, reserved by requests in progress, and when each renews."""
        now = self._clock.now()
        listing = await self._budgets.read(now, project=query.project, after=query.after, limit=query.limit)
        return BudgetPage.of(listing)

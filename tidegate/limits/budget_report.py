"""The report on budgets: the limits in PostgreSQL together with the counters in Redis.

`/admin/v1/budgets` and `tidegate budgets` show it.
"""

from collections.abc import Iterator

import msgspec

from tidegate.core.errors import RedisUnavailable
from tidegate.core.values import Limits
from tidegate.limits.budget_calendar import UTC_CALENDAR, BudgetCalendar, BudgetPeriod
from tidegate.limits.budget_store import Amounts, BudgetStore, Spending
from tidegate.limits.decision import NEARLY_USED
from tidegate.limits.scopes import ALL_CALLERS
from tidegate.storage.postgres import Postgres, queries


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """One budget of one day, week or month; amounts in nano-dollars."""

    scope: str
    """`key/ID`, `project/NAME`, `user/PROJECT/NAME`, `tag/PROJECT/NAME/VALUE` or `all`: the scope that is counted."""
    kind: str
    """`key`, `project`, `user`, `tag` or `all`."""
    project: str | None = None
    key_id: str | None = None
    name: str | None = None
    """The key's name."""
    user: str | None = None
    tag: str | None = None
    """As `NAME=VALUE`."""
    period: str
    """`day`, `week` or `month`."""
    spent: int
    reserved: int
    """The most that requests in progress may still cost."""
    budget: int | None = None
    """None where spending is counted but not limited."""
    renews_at: float
    """Unix seconds."""

    @property
    def is_nearly_used(self) -> bool:
        """Whether so much of the budget is spent that its calls are told."""
        return self.budget is not None and self.spent >= NEARLY_USED * self.budget

    @property
    def used_ratio(self) -> float | None:
        """Return the ratio of the budget that is spent or reserved; 1 is all of it, None where there is no budget."""
        if self.budget is None:
            return None
        return (self.spent + self.reserved) / self.budget if self.budget else 1.0


class BudgetListing(msgspec.Struct, frozen=True, kw_only=True):
    """A page of budgets."""

    budgets: tuple[Budget, ...]
    counters_valid: bool
    """Whether the counters are valid. If not, Redis lost them, and they are rebuilt before the next paid request."""
    last: str | None
    """The scope after which the next page begins; None when this is the last page."""


class BudgetReport:
    """Read budgets from PostgreSQL and their spending from Redis."""

    def __init__(
        self,
        postgres: Postgres,
        store: BudgetStore,
        *,
        global_limits: Limits,
        calendar: BudgetCalendar = UTC_CALENDAR,
    ) -> None:
        """`global_limits` has the budgets of the whole deployment."""
        self._postgres = postgres
        self._store = store
        self._calendar = calendar
        self._all_callers = _BudgetSubject(
            scope=ALL_CALLERS,
            kind="all",
            budget_day=global_limits.budget_day,
            budget_week=global_limits.budget_week,
            budget_month=global_limits.budget_month,
        )
        self._sql = queries("projects")

    async def read(
        self, now: float, *, project: str | None = None, after: str | None = None, limit: int = 1000
    ) -> BudgetListing:
        """Return the budgets of `project`, or all: of the scopes after the scope `after`, at most `limit`.

        The first page of all budgets begins with the whole deployment, even if it has no budget. Raises
        PostgresUnavailable and RedisUnavailable.
        """
        period = self._calendar.period(now)
        arguments = (project, min(period.week_start, period.month_start), after, limit + 1)
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["budgeted"], *arguments)
        subjects = [_BudgetSubject(**row) for row in rows]
        more, subjects = len(subjects) > limit, subjects[:limit]
        last = subjects[-1].scope if more else None
        if project is None and after is None:
            subjects.insert(0, self._all_callers)
        spendings = await self._store.read([subject.scope for subject in subjects], now)
        budgets = [
            budget
            for subject, spending in zip(subjects, spendings, strict=True)
            for budget in _budgets(subject, spending, period)
        ]
        return BudgetListing(budgets=tuple(budgets), counters_valid=await self._store.counters_valid(), last=last)

    async def recount(self) -> bool:
        """Have the spending of a new budget counted from the ledger; return False if Redis did not answer."""
        try:
            await self._store.recount()
        except RedisUnavailable:
            return False
        return True


class _BudgetSubject(msgspec.Struct, frozen=True, kw_only=True):
    """A scope that has a budget: a row of the query `budgeted`."""

    scope: str
    kind: str
    project: str | None = None
    key_id: str | None = None
    name: str | None = None
    end_user: str | None = None
    tag: str | None = None
    budget_day: int | None = None
    budget_week: int | None = None
    budget_month: int | None = None


def _budgets(subject: _BudgetSubject, spending: Spending, period: BudgetPeriod) -> Iterator[Budget]:
    always = subject.scope == ALL_CALLERS
    if always or subject.budget_day is not None:
        yield _budget(subject, "day", spending.day, subject.budget_day, period.midnight)
    if subject.budget_week is not None:
        yield _budget(subject, "week", spending.week, subject.budget_week, period.week_end)
    if always or subject.budget_month is not None:
        yield _budget(subject, "month", spending.month, subject.budget_month, period.month_end)


def _budget(subject: _BudgetSubject, period: str, amounts: Amounts, budget: int | None, renews_at: float) -> Budget:
    return Budget(
        scope=subject.scope,
        kind=subject.kind,
        project=subject.project,
        key_id=subject.key_id,
        name=subject.name,
        user=subject.end_user,
        tag=subject.tag,
        period=period,
        spent=amounts.spent,
        reserved=amounts.reserved,
        budget=budget,
        renews_at=renews_at,
    )

"""The spending alert: log an error once a day when the whole deployment spends more than `budgets.alert_usd_per_day`.

Every process checks the counter in Redis from time to time. The alert is claimed in PostgreSQL, so that only one of
many replicas raises it, and neither a restart nor a loss of Redis's data raises it again.
"""

import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import StoreError
from tidegate.core.periodic import PeriodicTask
from tidegate.limits.budget_calendar import UTC_CALENDAR, BudgetCalendar
from tidegate.limits.budget_store import BudgetStore
from tidegate.limits.rejections import format_usd
from tidegate.limits.scopes import ALL_CALLERS
from tidegate.storage.postgres import Postgres, queries

CHECK_SECONDS = 10.0

_log = structlog.get_logger("budgets")


class SpendingAlert:
    """Check the spending from time to time. Use it between `start` and `close`."""

    def __init__(
        self,
        store: BudgetStore,
        postgres: Postgres,
        clock: Clock,
        *,
        usual_nanos: int,
        calendar: BudgetCalendar = UTC_CALENDAR,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        """Raise the alert when more than `usual_nanos` is spent in a day."""
        self._store = store
        self._postgres = postgres
        self._clock = clock
        self._calendar = calendar
        self._usual_nanos = usual_nanos
        self._sql = queries("alerts")
        self._alerted_day = ""
        """The last day for which this process knows that the alert was raised."""
        self._task = PeriodicTask("spending-alert", self.check, every=check_seconds, quiet=(StoreError,))

    async def start(self) -> None:
        """Start to check."""
        await self._task.start()

    async def close(self) -> None:
        """Stop."""
        await self._task.close()

    async def check(self) -> None:
        """Check now. Raises StoreError if a store is away."""
        now = self._clock.now()
        day = self._calendar.period(now).day
        if day == self._alerted_day:
            return
        [spending] = await self._store.read([ALL_CALLERS], now)
        if spending.day.spent <= self._usual_nanos:
            return
        async with self._postgres.connection() as connection:
            claimed = await connection.fetchval(self._sql["claim"], f"spending {day}")
        self._alerted_day = day
        if claimed is not None:
            _log.error(
                "spending today exceeds the alert threshold",
                alert="spending",
                day=day,
                spent=format_usd(spending.day.spent),
                threshold=format_usd(self._usual_nanos),
                remedy="`tidegate usage --by key` shows which key spends; budgets.alert_usd_per_day is the threshold",
            )

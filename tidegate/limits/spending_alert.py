"""Wakes a person when the whole deployment has spent more in a day than is usual: once a day, whatever happens.

What was spent is Redis's to say, and after a loss of its memory the ledger's. That the alert was given stands in
PostgreSQL, so that neither a restart nor a Redis that forgets gives it again, and of many replicas one does.
"""

import asyncio
import contextlib

import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import StoreError
from tidegate.limits.budget_store import BudgetStore
from tidegate.limits.rejections import format_usd
from tidegate.limits.scopes import ALL_CALLERS, period_of
from tidegate.storage.postgres import Postgres, queries

CHECK_SECONDS = 10.0

_log = structlog.get_logger("budgets")


class SpendingAlert:
    """Looks from time to time. Use it between `start` and `close`."""

    def __init__(self, store: BudgetStore, postgres: Postgres, clock: Clock, *, usual_nanos: int) -> None:
        """More than `usual_nanos` in a UTC day is worth waking somebody."""
        self._store = store
        self._postgres = postgres
        self._clock = clock
        self._usual_nanos = usual_nanos
        self._sql = queries("alerts")
        self._alerted_day = ""
        """The last day for which it is known to be given."""
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._looking = asyncio.create_task(self._keep_looking(), name="spending-alert")

    async def close(self) -> None:
        """Stop."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    async def check(self) -> None:
        """Look now. Raises StoreError while that cannot be."""
        now = self._clock.now()
        day = period_of(now).day
        if day == self._alerted_day:
            return
        [spending] = await self._store.read([ALL_CALLERS], now)
        if spending.day.spent <= self._usual_nanos:
            return
        async with self._postgres.connection() as connection:
            first = await connection.fetchval(self._sql["claim"], f"spending {day}")
        self._alerted_day = day
        if first is not None:
            _log.error(
                "more was spent today than is usual",
                alert="spending",
                day=day,
                spent=format_usd(spending.day.spent),
                usual=format_usd(self._usual_nanos),
                remedy="`tidegate usage --by key` shows who; budgets.alert_usd_per_day says what is usual",
            )

    async def _keep_looking(self) -> None:
        while True:
            with contextlib.suppress(StoreError):  # the next look tells
                await self.check()
            await asyncio.sleep(CHECK_SECONDS)

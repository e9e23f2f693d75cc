"""The objects of `tidegate.limits`: admission, budgets, reservations."""

from tidegate.assembly.base import Base
from tidegate.core.config import Settings
from tidegate.limits.admission import AdmissionController
from tidegate.limits.budget_calendar import BudgetCalendar
from tidegate.limits.budget_report import BudgetReport
from tidegate.limits.budget_store import BudgetStore
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import BudgetRebuild
from tidegate.limits.request_count import RequestCount
from tidegate.limits.reservations import Reservations
from tidegate.limits.scripts import LimitScripts
from tidegate.queue.replicas import Replicas
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink


class LimitParts:
    """Limits and budgets of one process."""

    def __init__(self, base: Base, replicas: Replicas) -> None:
        """Use `make_limits`."""
        settings, clock, redis, prefix = base.settings, base.clock, base.redis, base.prefix
        budgets = settings.budgets
        calendar = BudgetCalendar(budgets.time_zone)
        scripts = LimitScripts(redis, prefix=prefix, lease_seconds=settings.cache.lease_seconds)
        self.budget_rebuild = BudgetRebuild(
            redis,
            base.postgres,
            prefix=prefix,
            clock=clock,
            grace_seconds=budgets.rebuild_after_seconds,
            calendar=calendar,
            max_names=budgets.max_end_users,
        )
        self.reservations = Reservations(scripts, clock, lease_seconds=budgets.lease_seconds)
        self.admission = AdmissionController(
            scripts,
            self.reservations,
            self.budget_rebuild,
            LocalLimits(replicas),
            global_limits=budgets.deployment_limits,
            calendar=calendar,
            max_names=budgets.max_end_users,
        )
        self.request_count = RequestCount(self.admission, clock)


def budget_report(postgres: Postgres, redis: RedisLink, settings: Settings) -> BudgetReport:
    """Return the report on the configured deployment's budgets."""
    calendar = BudgetCalendar(settings.budgets.time_zone)
    store = BudgetStore(redis, prefix=settings.redis.prefix, calendar=calendar)
    return BudgetReport(postgres, store, global_limits=settings.budgets.deployment_limits, calendar=calendar)


async def make_limits(base: Base, replicas: Replicas) -> LimitParts:
    """Return the parts, started."""
    parts = LimitParts(base, replicas)
    base.on_close(parts.budget_rebuild.close)
    await base.start(parts.reservations)
    return parts

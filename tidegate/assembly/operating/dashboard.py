"""The objects of the dashboard: sessions, the ring and its writer, the overviews, the page's routes."""

from collections.abc import Callable, Iterator

from fastapi import FastAPI

from tidegate.alerts.store import AlertStore
from tidegate.alerts.thresholds import AlertName
from tidegate.assembly.auth import AuthParts
from tidegate.assembly.base import Base
from tidegate.assembly.limits import budget_report
from tidegate.assembly.routing import lane_limits, shared_health_report
from tidegate.audit.log import AuditLog
from tidegate.audit.store import AuditStore
from tidegate.auth.session_store import SessionStore
from tidegate.auth.sessions import AdminSessions
from tidegate.core.call_report import CallClass
from tidegate.core.config import MetricsConfig
from tidegate.core.errors import TidegateError
from tidegate.core.ids import new_id
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.dashboard.feed import OverviewFeeds
from tidegate.dashboard.minute import NEEDED_LABELS, Fields, fields_of
from tidegate.dashboard.minute_writer import MinuteWriter
from tidegate.dashboard.range_reader import RangeReader
from tidegate.dashboard.reader import OverviewReader, OverviewSources, SpoolFigures
from tidegate.dashboard.recent_minutes import RecentMinutes
from tidegate.dashboard.redis_reader import RedisReader
from tidegate.dashboard.sources import OverviewSettings
from tidegate.limits.budget_calendar import BudgetCalendar
from tidegate.limits.budget_store import BudgetStore
from tidegate.metering.ledger.spool import Spool, count_lines
from tidegate.metering.reports.usage_slots import OutcomeNames, UsageSlots
from tidegate.monitoring.metrics.call_metrics import CallMetrics
from tidegate.pipeline.call_record import call_class
from tidegate.queue.messages import LaneLimits
from tidegate.queue.replicas import Replicas
from tidegate.queue.report import QueueReport
from tidegate.queue.store import CapacityStore
from tidegate.routing.health.registry import HealthRegistry
from tidegate.web.dashboard.events import EventHandlers
from tidegate.web.dashboard.page import PageHandlers, page_files
from tidegate.web.dashboard.routes import add_dashboard_routes
from tidegate.web.dashboard.session import SessionHandlers

_MAX_COUNTED_BYTES = 4 * 1024 * 1024
"""Of spool files whose lines are counted: it takes two milliseconds."""
_SECONDS_PER_HOUR = 3600.0


def make_sessions(base: Base, auth: AuthParts) -> AdminSessions | None:
    """Return the dashboard's sessions; None where there is no dashboard, so that no cookie is looked at."""
    config = base.settings.dashboard
    if not config.enabled:
        return None
    max_seconds = config.session_hours * _SECONDS_PER_HOUR
    return AdminSessions(SessionStore(base.postgres), auth.keys, base.clock, max_seconds=max_seconds)


async def add_dashboard(  # a parameter for each part
    api: FastAPI,
    base: Base,
    *,
    sessions: AdminSessions | None,
    health: HealthRegistry,
    replicas: Replicas,
    lifecycle: Lifecycle,
) -> None:
    """Add the page and its routes, and begin to write the ring; without `sessions`, only sum up the ledger.

    Its sums are kept up to date for a dashboard that is enabled later.
    """
    bounds = _milliseconds(base.settings.metrics.time_buckets)
    slots = await base.start(UsageSlots(base.postgres, outcome_names(), bounds, base.clock))
    if sessions is None:
        return
    reader = _reader(base, slots, await _make_ring(base), health, replicas)
    handlers = SessionHandlers(
        sessions,
        audit=AuditLog(AuditStore(base.postgres), base.clock),
        clock=base.clock,
        ids=new_id,
        memory=base.body_memory,
    )
    events = EventHandlers(
        handlers,
        sessions,
        OverviewFeeds(reader.read),
        max_pages=base.settings.dashboard.max_pages,
        clock=base.clock,
        lifecycle=lifecycle,
    )
    base.counters.add_gauge("dashboard_pages", "Pages of the dashboard that are open.", lambda: events.open_pages)
    add_dashboard_routes(api, page=PageHandlers(page_files()), session=handlers, events=events)


async def _make_ring(base: Base) -> RecentMinutes | None:
    """Return the ring, written from now on; None where the metrics do not count what it needs."""
    metrics = base.call_metrics
    if metrics is None or not set(NEEDED_LABELS) <= set(base.settings.metrics.labels):
        return None
    ring = RecentMinutes(base.redis, base.clock, prefix=base.prefix)
    await base.start(MinuteWriter(ring, _counted(base, metrics), base.clock, process=base.process))
    return ring


def _counted(base: Base, metrics: CallMetrics) -> Callable[[], Fields]:
    return lambda: fields_of(metrics.read(), base.counters.failures_by_error())


def _reader(
    base: Base, slots: UsageSlots, ring: RecentMinutes | None, health: HealthRegistry, replicas: Replicas
) -> OverviewReader:
    settings, redis, prefix = base.settings, base.redis, base.prefix
    calendar = BudgetCalendar(settings.budgets.time_zone)
    report = shared_health_report(base, health.store)
    lanes = CapacityStore(redis, prefix=prefix, lane_limits=lambda _: LaneLimits())  # reading needs no limits
    sources = OverviewSources(
        redis=RedisReader(
            redis,
            prefix=prefix,
            budgets=BudgetStore(redis, prefix=prefix, calendar=calendar),
            queue=QueueReport(lanes, lane_limits(settings)),
            health=report,
        ),
        slots=slots,
        ranges=RangeReader(ring, slots),
        budgets=budget_report(base.postgres, redis, settings),
        alerts=AlertStore(base.postgres, redis, prefix=prefix),
        local_health=lambda: report.read_local(health),
        spool=lambda: _spool(base),
        replicas=replicas,
    )
    return OverviewReader(sources, _terms(base), calendar, base.clock)


def _terms(base: Base) -> OverviewSettings:
    metrics: MetricsConfig = base.settings.metrics
    return OverviewSettings(
        zone=base.settings.budgets.time_zone,
        bounds_ms=_milliseconds(metrics.time_buckets),
        gateway_bounds_ms=_milliseconds(metrics.gateway_buckets),
        refused=frozenset(outcome_names().refused),
        enabled_alerts=frozenset(AlertName(name) for name in base.settings.alerts.enabled),
    )


def outcome_names() -> OutcomeNames:
    """Return how the ledger's outcomes are counted: as the reports of calls class their errors."""
    kinds = {kind.name: call_class(kind(), is_degraded=False) for kind in _all_errors(TidegateError)}
    return OutcomeNames(
        answered=tuple(sorted(name for name, kind in kinds.items() if kind is CallClass.ANSWERED)),
        refused=tuple(sorted(name for name, kind in kinds.items() if kind is CallClass.REFUSED)),
    )


def _all_errors(kind: type[TidegateError]) -> Iterator[type[TidegateError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _all_errors(child)


def _spool(base: Base) -> SpoolFigures:
    folder = base.settings.spool_dir
    size = Spool(folder).size()
    return SpoolFigures(count_lines(folder) if size <= _MAX_COUNTED_BYTES else None, size)


def _milliseconds(bounds: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(round(1000 * bound) for bound in bounds)

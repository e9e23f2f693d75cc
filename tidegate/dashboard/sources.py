"""What an overview is made of: the facts that its sources gave at one moment, each None where it is not known."""

import msgspec

from tidegate.alerts.store import AlertBook
from tidegate.alerts.thresholds import AlertName
from tidegate.dashboard.figures import RangeFigures
from tidegate.dashboard.overview import OverviewRange
from tidegate.limits.budget_calendar import BudgetPeriod
from tidegate.limits.budget_report import Budget
from tidegate.limits.budget_store import Spending
from tidegate.metering.reports.usage_slots import SpentFigures
from tidegate.queue.report import LaneStatus
from tidegate.routing.health.report import UpstreamHealth


class OverviewSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment's configuration says about its overviews."""

    zone: str
    """The time zone of days and months."""
    bounds_ms: tuple[int, ...]
    """The bounds of the buckets of times."""
    gateway_bounds_ms: tuple[int, ...]
    refused: frozenset[str]
    """The names of the errors by which calls are refused."""
    enabled_alerts: frozenset[AlertName]


class RedisSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis has."""

    spending: Spending | None
    """Of the whole deployment; None while the counters are rebuilt."""
    lanes: tuple[LaneStatus, ...]
    health: UpstreamHealth
    used_bytes: int | None
    drain_lag_seconds: float


class PostgresSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What PostgreSQL has."""

    spent: SpentFigures
    database_bytes: int


class OverviewFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an overview is made of."""

    at: float
    shown: OverviewRange
    period: BudgetPeriod
    redis: RedisSnapshot | None
    """None while it is away."""
    redis_away_since: float = 0.0
    postgres: PostgresSnapshot | None
    postgres_away_since: float = 0.0
    figures: RangeFigures | None = None
    budgets: tuple[Budget, ...] = ()
    local_health: UpstreamHealth
    """As this process knows it."""
    alerts: AlertBook
    spool_entries: int | None
    spool_bytes: int
    replicas: int

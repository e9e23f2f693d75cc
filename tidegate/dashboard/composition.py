"""Composes an overview from facts. Pure: what the overview says of each state of the stores is a row of a table."""

from collections.abc import Mapping

from tidegate.alerts.judgement import FaultSide, fault_of
from tidegate.alerts.thresholds import AlertName
from tidegate.alerts.transition import AlertState
from tidegate.dashboard.figures import RangeFigures, percentile, total_of
from tidegate.dashboard.overview import (
    AlertLine,
    BudgetLine,
    CachePanel,
    CallsPanel,
    CredentialLine,
    Degraded,
    ErrorCause,
    LaneLine,
    LatencyPanel,
    Overview,
    Percentiles,
    QueuePanel,
    SeriesPoint,
    SpendPanel,
    SpoolLine,
    StoreLine,
    StoresPanel,
    TargetLine,
    dollars,
)
from tidegate.dashboard.sources import OverviewFacts, OverviewSettings
from tidegate.limits.budget_report import Budget
from tidegate.metering.reports.usage_slots import ErrorFigures, SpentFigures, UsageStep
from tidegate.queue.report import LaneStatus
from tidegate.routing.health.report import HealthEntry

MAX_BUDGETS = 50
MAX_NAME_LENGTH = 200
"""Characters of a name that a caller may have chosen."""
_MIN_PROJECTION_SECONDS = 3 * 3600.0
_DAY_SECONDS = 86_400.0
_SCOPES = {"all": "all", "project": "project", "key": "key", "tag": "tag", "user": "end_user"}


def compose(facts: OverviewFacts, terms: OverviewSettings) -> Overview:
    """Return the overview of these facts."""
    return Overview(
        at=facts.at,
        range=facts.shown.value,
        degraded=_degraded(facts),
        spend=_spend(facts, terms),
        calls=_calls(facts.figures, terms),
        latency=_latency(facts.figures, terms),
        cache=_cache(facts.figures),
        queue=_queue(facts),
        targets=_targets(facts),
        credentials=_credentials(facts),
        alerts=tuple(_alert(facts, terms, name) for name in AlertName),
        stores=_stores(facts),
        replicas=facts.replicas,
    )


def _degraded(facts: OverviewFacts) -> tuple[Degraded, ...]:
    lines = []
    if facts.redis is None:
        without = "Redis is away: " + _without_redis(facts)
        lines.append(Degraded(store="redis", since=facts.redis_away_since, text=without))
    if facts.postgres is None:
        shown = "budgets, the causes of errors and the newest states of alerts are missing"
        kept = "these figures are from Redis" if facts.figures else "there are no figures of calls"
        text = f"PostgreSQL is away: {kept}; {shown}."
        lines.append(Degraded(store="postgresql", since=facts.postgres_away_since, text=text))
    return tuple(lines)


def _without_redis(facts: OverviewFacts) -> str:
    if facts.postgres is None:
        return "there are no figures; states are those that this process knows."
    newest = facts.postgres.spent.newest_at
    age = "" if newest is None else f", whose newest call is {_age(facts.at - newest)} old"
    return f"these figures are from PostgreSQL{age}; the queue and the budgets are missing."


def _age(seconds: float) -> str:
    """Return an age in steps, so that it does not change with each overview."""
    if seconds < 60:
        return f"{max(0, round(seconds / 5) * 5)} s"
    return f"{round(seconds / 60)} min" if seconds < 3600 else f"{round(seconds / 3600)} h"


def _spend(facts: OverviewFacts, terms: OverviewSettings) -> SpendPanel:
    period, spending = facts.period, facts.redis.spending if facts.redis else None
    spent = facts.postgres.spent if facts.postgres else None
    day = spending.day.spent if spending else spent.day_nanos if spent else None
    month = spending.month.spent if spending else spent.month_nanos if spent else None
    return SpendPanel(
        today_usd=_optional_dollars(day),
        month_usd=_optional_dollars(month),
        saved_today_usd=_optional_dollars(spent.day_saved_nanos if spent else None),
        day_ends_at=period.midnight,
        month_ends_at=period.month_end,
        zone=terms.zone,
        projected_month_usd=_optional_dollars(projected(month, spent, now=facts.at, end=period.month_end)),
        budgets=_budgets(facts.budgets),
    )


def projected(month: int | None, spent: SpentFigures | None, *, now: float, end: float) -> int | None:
    """Return what the month will have cost, if it goes on as in the last 24 hours; None where too little is known."""
    if month is None or spent is None or spent.first_at is None:
        return None
    seconds = min(_DAY_SECONDS, now - spent.first_at)
    if seconds < _MIN_PROJECTION_SECONDS:
        return None
    return month + round(spent.recent_nanos * max(0.0, end - now) / seconds)


def _budgets(budgets: tuple[Budget, ...]) -> tuple[BudgetLine, ...]:
    limited = sorted(
        (budget for budget in budgets if budget.budget is not None), key=lambda budget: -(budget.used_ratio or 0.0)
    )
    return tuple(
        BudgetLine(
            scope=_SCOPES[budget.kind],  # type: ignore[arg-type]  # the table has only these
            name=_budget_name(budget)[:MAX_NAME_LENGTH],
            period=budget.period,
            limit_usd=dollars(budget.budget or 0),
            spent_usd=dollars(budget.spent),
            held_usd=dollars(budget.reserved),
            ends_at=budget.renews_at,
        )
        for budget in limited[:MAX_BUDGETS]
    )


def _budget_name(budget: Budget) -> str:
    return {
        "all": "all calls",
        "project": budget.project or "",
        "key": f"{budget.name or budget.key_id} ({budget.project})",
        "tag": f"{budget.tag} ({budget.project})",
        "user": f"{budget.user} ({budget.project})",
    }[budget.kind]


def _calls(figures: RangeFigures | None, terms: OverviewSettings) -> CallsPanel:
    if figures is None:
        return CallsPanel()
    total = total_of(figures.steps)
    return CallsPanel(
        total=total.calls,
        answered=total.answered,
        refused=total.refused,
        failed=total.failed,
        series=tuple(_point(step) for step in figures.steps),
        errors=tuple(_cause(error, terms) for error in figures.errors or ()),
    )


def _point(step: UsageStep) -> SeriesPoint:
    return SeriesPoint(
        at=step.at,
        calls=step.calls,
        errors=step.refused + step.failed,
        hits=step.hits + step.joined,
        cost_usd=dollars(step.cost_nanos),
    )


def _cause(error: ErrorFigures, terms: OverviewSettings) -> ErrorCause:
    ours = None if error.error in terms.refused else fault_of(error.error) is FaultSide.GATEWAY
    return ErrorCause(
        error=error.error,
        upstream_message=error.message,
        target=error.target or None,
        count=error.calls,
        last_at=error.last_at or None,
        ours=ours,
    )


def _latency(figures: RangeFigures | None, terms: OverviewSettings) -> LatencyPanel:
    if figures is None:
        return LatencyPanel()
    own = figures.gateway
    return LatencyPanel(
        first_content_ms=_percentiles(figures.first_content, terms.bounds_ms),
        whole_ms=_percentiles(figures.whole, terms.bounds_ms),
        gateway_share_ms=Percentiles() if own is None else _percentiles(own, terms.gateway_bounds_ms),
    )


def _percentiles(counts: Mapping[int, int], bounds: tuple[int, ...]) -> Percentiles:
    return Percentiles(p50=percentile(counts, 0.5, bounds), p95=percentile(counts, 0.95, bounds))


def _cache(figures: RangeFigures | None) -> CachePanel:
    if figures is None:
        return CachePanel()
    total = total_of(figures.steps)
    served = total.hits + total.joined + total.stale
    looked = served + total.misses
    return CachePanel(
        hits=total.hits,
        joined=total.joined,
        stale=total.stale,
        misses=total.misses,
        hit_share=round(served / looked, 4) if looked else None,
        saved_usd=dollars(total.saved_nanos),
    )


def _queue(facts: OverviewFacts) -> QueuePanel:
    if facts.redis is None:
        return QueuePanel()
    lanes = tuple(_lane(lane) for lane in facts.redis.lanes if lane.waiting)
    return QueuePanel(
        waiting=sum(lane.waiting for lane in lanes),
        oldest_wait_ms=max((lane.oldest_wait_ms for lane in lanes), default=0),
        lanes=lanes,
    )


def _lane(lane: LaneStatus) -> LaneLine:
    oldest = max((waiter.waited for waiter in lane.waiters), default=0.0)
    return LaneLine(model=lane.name[:MAX_NAME_LENGTH], waiting=lane.waiting, oldest_wait_ms=round(oldest * 1000))


def _targets(facts: OverviewFacts) -> tuple[TargetLine, ...]:
    health = facts.redis.health if facts.redis else facts.local_health
    lines = []
    for entry in health.targets:
        provider, _, model = entry.name.partition("/")
        line = TargetLine(
            provider=provider,
            model=model[:MAX_NAME_LENGTH],
            state=entry.state,
            reason=_reason(entry),
            since=entry.since,
        )
        lines.append(line)
    return tuple(lines)


def _credentials(facts: OverviewFacts) -> tuple[CredentialLine, ...]:
    health = facts.redis.health if facts.redis else facts.local_health
    lines = []
    for entry in health.credentials:
        provider, _, name = entry.name.partition("/")
        line = CredentialLine(provider=provider, name=name, state=entry.state, reason=_reason(entry), until=entry.until)
        lines.append(line)
    return tuple(lines)


def _reason(entry: HealthEntry) -> str | None:
    return entry.message or entry.error


def _alert(facts: OverviewFacts, terms: OverviewSettings, name: AlertName) -> AlertLine:
    state = facts.alerts.state(name)
    shown = "off" if name not in terms.enabled_alerts else "firing" if state.is_firing else "well"
    return AlertLine(
        name=name.value,
        state=shown,  # type: ignore[arg-type]  # one of the three
        since=state.since or None,
        muted_until=facts.alerts.muted_until if facts.alerts.muted_until > facts.at else None,
        text=_alert_text(state),
    )


def _alert_text(state: AlertState) -> str:
    if state.judgement is None:
        return ""
    causes = state.judgement.causes if state.is_firing else ()
    return "; ".join((state.judgement.measure, *causes))


def _stores(facts: OverviewFacts) -> StoresPanel:
    redis, postgres = facts.redis, facts.postgres
    return StoresPanel(
        redis=StoreLine(state="ok", used_bytes=redis.used_bytes) if redis else StoreLine(state="away"),
        postgresql=StoreLine(state="ok", used_bytes=postgres.database_bytes) if postgres else StoreLine(state="away"),
        spool=SpoolLine(entries=facts.spool_entries, bytes=facts.spool_bytes),
        drain_lag_seconds=round(redis.drain_lag_seconds, 1) if redis else None,
    )


def _optional_dollars(nanos: int | None) -> str | None:
    return None if nanos is None else dollars(nanos)

"""What an overview says of the same facts while each store is there or away, as a table."""

from typing import Any

import msgspec
import pytest

from tidegate.alerts.judgement import Judgement
from tidegate.alerts.store import AlertBook
from tidegate.alerts.thresholds import AlertName
from tidegate.alerts.transition import AlertState
from tidegate.dashboard.composition import MAX_BUDGETS, compose, projected
from tidegate.dashboard.figures import RangeFigures
from tidegate.dashboard.overview import Overview, OverviewRange
from tidegate.dashboard.sources import OverviewFacts, OverviewSettings, PostgresSnapshot, RedisSnapshot
from tidegate.limits.budget_calendar import period_of
from tidegate.limits.budget_report import Budget
from tidegate.limits.budget_store import Amounts, Spending
from tidegate.metering.reports.usage_slots import ErrorFigures, SpentFigures, UsageStep
from tidegate.queue.report import LaneStatus
from tidegate.routing.health.report import HealthEntry, UpstreamHealth

NOW = 1_790_000_000.0
TERMS = OverviewSettings(
    zone="UTC",
    bounds_ms=(100, 1000),
    gateway_bounds_ms=(1, 10),
    refused=frozenset({"rate_limit_exceeded"}),
    enabled_alerts=frozenset({AlertName.SLOW, AlertName.ERRORS}),
)
SPENT = SpentFigures(
    day_nanos=1, day_saved_nanos=2, month_nanos=3, recent_nanos=4, first_at=NOW - 86_400, newest_at=NOW - 41
)
HEALTH = UpstreamHealth(
    targets=(HealthEntry(name="openai/gpt/4o", state="open", message="It is down"),),
    credentials=(HealthEntry(name="openai/main", state="limited", until=NOW + 9, error="rate_limit_exceeded"),),
)
REDIS = RedisSnapshot(
    spending=Spending(scope="all", day=Amounts(spent=10, reserved=0), month=Amounts(spent=30, reserved=0)),
    lanes=(
        LaneStatus(name="openai/main/m", rpm=None, tpm=None, unanswered=1, held_for=0.0, waiting=2, waiters=()),
        LaneStatus(name="openai/main/n", rpm=None, tpm=None, unanswered=1, held_for=0.0, waiting=0, waiters=()),
    ),
    health=HEALTH,
    used_bytes=1000,
    drain_lag_seconds=0.04,
)
FIGURES = RangeFigures(
    source="redis",
    steps=(UsageStep(at=0, calls=4, answered=2, refused=1, failed=1, hits=1, misses=3, cost_nanos=5, saved_nanos=6),),
    whole={100: 2},
    first_content={100: 2},
    gateway={1: 2},
    errors=(
        ErrorFigures(error="insufficient_quota", target="openai/m", calls=1, last_at=NOW, message="<script>"),
        ErrorFigures(error="rate_limit_exceeded", target="", calls=1, last_at=NOW, message=None),
        ErrorFigures(error="ledger_unavailable", target="", calls=1, last_at=0.0, message=None),
    ),
)
FACTS = OverviewFacts(
    at=NOW,
    shown=OverviewRange.HOUR,
    period=period_of(NOW),
    redis=REDIS,
    postgres=PostgresSnapshot(spent=SPENT, database_bytes=2000),
    figures=FIGURES,
    local_health=UpstreamHealth(targets=(), credentials=()),
    alerts=AlertBook(),
    spool_entries=0,
    spool_bytes=0,
    replicas=3,
)


def composed(**changes: Any) -> Overview:
    return compose(msgspec.structs.replace(FACTS, **changes), TERMS)


@pytest.mark.parametrize(
    ("away", "today", "stores", "text"),
    [
        ({}, "0.000000010", ("ok", "ok"), ""),
        (
            {"redis": None, "redis_away_since": 7.0},
            "0.000000001",
            ("away", "ok"),
            "from PostgreSQL, whose newest call is 40 s",
        ),
        ({"postgres": None, "postgres_away_since": 7.0}, "0.000000010", ("ok", "away"), "these figures are from Redis"),
    ],
)
def test_without_a_store_the_other_gives_the_spending_and_it_says_so(
    away: dict[str, Any], today: str, stores: tuple[str, str], text: str
) -> None:
    overview = composed(**away)
    assert overview.spend.today_usd == today
    assert (overview.stores.redis.state, overview.stores.postgresql.state) == stores
    assert [line.since for line in overview.degraded] == ([7.0] if away else [])
    assert all(text in line.text for line in overview.degraded)


def test_without_both_stores_nothing_is_zero_and_states_are_those_of_the_process() -> None:
    overview = composed(redis=None, postgres=None, figures=None)
    assert (overview.spend.today_usd, overview.spend.month_usd, overview.calls.total) == (None, None, None)
    assert (overview.queue.waiting, overview.cache.hit_share, overview.latency.whole_ms.p95) == (None, None, None)
    assert (overview.targets, [line.store for line in overview.degraded]) == ((), ["redis", "postgresql"])


def test_calls_cache_and_latency_are_those_of_the_range() -> None:
    overview = composed()
    assert (overview.calls.total, overview.calls.answered, overview.calls.refused, overview.calls.failed) == (
        4,
        2,
        1,
        1,
    )
    assert (overview.cache.hit_share, overview.cache.saved_usd) == (0.25, "0.000000006")
    assert (overview.latency.whole_ms.p95, overview.latency.gateway_share_ms.p50) == (95, 1)
    [point] = overview.calls.series
    assert (point.calls, point.errors, point.hits, point.cost_usd) == (4, 2, 1, "0.000000005")


def test_an_error_has_the_upstreams_words_and_whose_it_is() -> None:
    causes = composed().calls.errors
    assert [(cause.error, cause.upstream_message, cause.target, cause.ours) for cause in causes] == [
        ("insufficient_quota", "<script>", "openai/m", False),
        ("rate_limit_exceeded", None, None, None),
        ("ledger_unavailable", None, None, True),
    ]


def test_targets_credentials_and_lanes_are_named() -> None:
    overview = composed()
    assert overview.targets is not None
    assert overview.credentials is not None
    [target], [credential], [lane] = overview.targets, overview.credentials, overview.queue.lanes
    assert (target.provider, target.model, target.state, target.reason) == ("openai", "gpt/4o", "open", "It is down")
    assert (credential.name, credential.state, credential.until) == ("main", "limited", NOW + 9)
    assert (lane.model, lane.waiting, overview.queue.waiting) == ("openai/main/m", 2, 2)


def test_alerts_fire_are_muted_and_are_off() -> None:
    judgement = Judgement(alert=AlertName.SLOW, measure="95th percentile about 9 s", causes=("9 slow calls at m",))
    state = AlertState(alert=AlertName.SLOW, is_firing=True, since=NOW - 60, judgement=judgement)
    overview = composed(alerts=AlertBook({AlertName.SLOW: state}, muted_until=NOW + 60))
    assert overview.alerts is not None
    assert [(alert.name, alert.state) for alert in overview.alerts] == [
        ("slow", "firing"), ("errors", "well"), ("cost", "off"),
    ]  # fmt: skip
    slow = overview.alerts[0]
    assert (slow.since, slow.muted_until) == (NOW - 60, NOW + 60)
    assert slow.text == "95th percentile about 9 s; 9 slow calls at m"


def test_the_budgets_that_are_used_most_are_shown() -> None:
    budgets = tuple(
        Budget(
            scope=f"project/{number}", kind="project", project=f"{number}" * 300, period="day", spent=number,
            reserved=1, budget=1000, renews_at=NOW,
        )
        for number in range(60)
    )  # fmt: skip
    counted = Budget(scope="all", kind="all", period="day", spent=9, reserved=0, renews_at=NOW)
    shown = composed(budgets=(counted, *budgets)).spend.budgets
    assert (len(shown), shown[0].spent_usd, shown[0].held_usd) == (MAX_BUDGETS, "0.000000059", "0.000000001")
    assert max(len(line.name) for line in shown) == 200


@pytest.mark.parametrize(
    ("month", "first_at", "expected"),
    [
        (100, NOW - 86_400, 100 + 4 * 2),
        (100, NOW - 43_200, 100 + 4 * 4),
        (100, NOW - 3600, None),
        (100, None, None),
        (None, NOW - 86_400, None),
    ],
)
def test_the_month_is_projected_from_the_last_day(
    month: int | None, first_at: float | None, expected: int | None
) -> None:
    spent = msgspec.structs.replace(SPENT, first_at=first_at)
    assert projected(month, spent, now=NOW, end=NOW + 2 * 86_400) == expected

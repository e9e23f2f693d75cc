"""What the dashboard's overview shows, as values: one JSON object in the stream of events.

Amounts are strings of US dollars with nine decimals, times are in Unix seconds, and what is not known is None.
"""

import enum
from typing import Literal

import msgspec

NANOS_DECIMALS = 9


@enum.unique
class OverviewRange(enum.StrEnum):
    """The time before now that the figures cover."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def seconds(self) -> int:
        """Its length."""
        return {"1h": 3600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}[self.value]

    @property
    def step_seconds(self) -> int:
        """The length of one point of the series; a range has at most 120 of them."""
        return {"1h": 60, "24h": 900, "7d": 7200, "30d": 21_600}[self.value]


class Degraded(msgspec.Struct, frozen=True, kw_only=True):
    """A store that is away, and what the figures are without it."""

    store: Literal["redis", "postgresql"]
    since: float
    text: str


class BudgetLine(msgspec.Struct, frozen=True, kw_only=True):
    """One budget and what is spent of it."""

    scope: Literal["all", "project", "key", "tag", "end_user"]
    name: str
    period: str
    limit_usd: str
    spent_usd: str
    held_usd: str
    ends_at: float


class SpendPanel(msgspec.Struct, frozen=True, kw_only=True):
    """What the deployment spends."""

    today_usd: str | None = None
    month_usd: str | None = None
    saved_today_usd: str | None = None
    day_ends_at: float
    month_ends_at: float
    zone: str
    projected_month_usd: str | None = None
    """At the end of the month, if it goes on as in the last 24 hours."""
    budgets: tuple[BudgetLine, ...] = ()


class SeriesPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one step, from `at` on."""

    at: int
    calls: int
    errors: int
    hits: int
    cost_usd: str


class ErrorCause(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that ended with the same error at the same target."""

    error: str
    upstream_message: str | None
    """The last one's own words: of a caller's or an upstream's choice, so they are text and never markup."""
    target: str | None
    count: int
    last_at: float | None
    ours: bool | None
    """Whether the cause is on the gateway's side; None for what the caller or a limit refused."""


class CallsPanel(msgspec.Struct, frozen=True, kw_only=True):
    """How calls ended."""

    total: int | None = None
    answered: int | None = None
    refused: int | None = None
    failed: int | None = None
    series: tuple[SeriesPoint, ...] = ()
    errors: tuple[ErrorCause, ...] = ()


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds that half of the calls, and 95 % of them, take at most."""

    p50: int | None = None
    p95: int | None = None


class LatencyPanel(msgspec.Struct, frozen=True, kw_only=True):
    """How long calls take."""

    first_content_ms: Percentiles = Percentiles()
    whole_ms: Percentiles = Percentiles()
    gateway_share_ms: Percentiles = Percentiles()
    """The gateway's own part."""


class CachePanel(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache gives."""

    hits: int | None = None
    joined: int | None = None
    stale: int | None = None
    misses: int | None = None
    hit_share: float | None = None
    """Of the calls that could have been hits."""
    saved_usd: str | None = None


class LaneLine(msgspec.Struct, frozen=True, kw_only=True):
    """The queue in front of one credential and model."""

    model: str
    waiting: int
    oldest_wait_ms: int


class QueuePanel(msgspec.Struct, frozen=True, kw_only=True):
    """The calls that wait for the upstream's capacity."""

    waiting: int | None = None
    oldest_wait_ms: int | None = None
    lanes: tuple[LaneLine, ...] = ()


class TargetLine(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one target."""

    provider: str
    model: str
    state: str
    reason: str | None = None
    since: float | None = None


class CredentialLine(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one credential."""

    provider: str
    name: str
    state: str
    reason: str | None = None
    until: float | None = None


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """One alert."""

    name: str
    state: Literal["firing", "well", "off"]
    since: float | None = None
    muted_until: float | None = None
    text: str = ""


class StoreLine(msgspec.Struct, frozen=True, kw_only=True):
    """One store."""

    state: Literal["ok", "away"]
    used_bytes: int | None = None


class SpoolLine(msgspec.Struct, frozen=True, kw_only=True):
    """Ledger entries on this process's disk that neither store took yet."""

    entries: int | None = None
    bytes: int | None = None


class StoresPanel(msgspec.Struct, frozen=True, kw_only=True):
    """The stores, and what waits for them."""

    redis: StoreLine
    postgresql: StoreLine
    spool: SpoolLine = SpoolLine()
    drain_lag_seconds: float | None = None
    """The age of the oldest ledger entry that waits in Redis."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the overview shows."""

    at: float
    range: str
    degraded: tuple[Degraded, ...] = ()
    spend: SpendPanel
    calls: CallsPanel = CallsPanel()
    latency: LatencyPanel = LatencyPanel()
    cache: CachePanel = CachePanel()
    queue: QueuePanel = QueuePanel()
    targets: tuple[TargetLine, ...] | None = None
    credentials: tuple[CredentialLine, ...] | None = None
    alerts: tuple[AlertLine, ...] | None = None
    stores: StoresPanel
    replicas: int | None = None


def dollars(nanos: int) -> str:
    """Return nano-dollars in dollars, exactly, with nine decimals."""
    whole, rest = divmod(abs(nanos), 10**NANOS_DECIMALS)
    return f"{'-' if nanos < 0 else ''}{whole}.{rest:0{NANOS_DECIMALS}d}"


def without_time(overview: Overview) -> Overview:
    """Return the overview as it is compared with the one before: its own time is no change."""
    return msgspec.structs.replace(overview, at=0.0)

"""The objects of `tidegate.alerts`: the recorder of calls, the judge, the channels, the report."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import SecretStr

from tidegate.alerts.channels import AlertChannel, SlackChannel, TurningSecret, WebhookChannel
from tidegate.alerts.delivery import AlertDelivery
from tidegate.alerts.judge import AlertJudge, KnownCauses
from tidegate.alerts.outbox import Outbox
from tidegate.alerts.recorder import AlertRecorder
from tidegate.alerts.report import AlertReport
from tidegate.alerts.sharing import FigureSharing, PostgresFigures, RedisFigures
from tidegate.alerts.spending import AlertDay, SpendingReader
from tidegate.alerts.store import AlertStore
from tidegate.alerts.thresholds import AlertName, Thresholds
from tidegate.assembly.base import Base
from tidegate.assembly.gauges import AlertGauges
from tidegate.assembly.routing import shared_health_report
from tidegate.core.clock import Clock
from tidegate.core.config import AlertsConfig, Settings
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.core.events import Event, EventName
from tidegate.core.ids import new_id
from tidegate.limits.budget_calendar import BudgetCalendar
from tidegate.limits.budget_store import BudgetStore
from tidegate.limits.scopes import ALL_CALLERS
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import CredentialStatus
from tidegate.routing.health.registry import HealthRegistry
from tidegate.secrets.feed import Subscriber, Use
from tidegate.secrets.sources.reading import SecretReading
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

_MAX_KNOWN_CAUSES = 5
_SENDERS = 2
"""Threads that send messages; what waits is in PostgreSQL."""


def thresholds_of(config: AlertsConfig) -> Thresholds:
    """Return the configured thresholds."""
    return Thresholds(
        slow_ms=round(config.slow_seconds * 1000),
        model_ms={model: round(seconds * 1000) for model, seconds in config.slow_seconds_by_model.items()},
        error_rate=config.error_percent / 100,
        cost_nanos=config.nanos_per_day,
        min_calls=config.min_calls,
        window_seconds=config.window_seconds,
        enabled=frozenset(AlertName(name) for name in config.enabled),
    )


def alert_report(postgres: Postgres, redis: RedisLink, settings: Settings, clock: Clock) -> AlertReport:
    """Return the report on the configured alerts."""
    store = AlertStore(postgres, redis, prefix=settings.redis.prefix)
    config = settings.alerts
    return AlertReport(store, Outbox(postgres), thresholds_of(config), config.channels, clock, new_id)


class AlertParts:
    """The alerts of one process."""

    def __init__(self, base: Base, health: HealthRegistry, more_channels: Mapping[str, AlertChannel]) -> None:
        """Use `make_alerts`."""
        config, clock, prefix = base.settings.alerts, base.clock, base.prefix
        thresholds = thresholds_of(config)
        self.secrets = _secrets(config)
        self.subscriptions = _subscriptions(config, self.secrets)
        """The places of the channels' secrets, and what takes each new one into use."""
        self.recorder = AlertRecorder(thresholds, clock)
        self.store = AlertStore(base.postgres, base.redis, prefix=prefix)
        self._threads = ThreadPoolExecutor(_SENDERS, "alerts")
        channels = {**self._channels(clock), **more_channels}
        self.delivery = AlertDelivery(
            Outbox(base.postgres),
            channels,
            clock,
            on_lost=lambda count: base.counters.count_event(Event(EventName.ALERT_MESSAGE_LOST, count)),
        )
        expire_seconds = 2 * thresholds.window_seconds
        redis_figures = RedisFigures(base.redis, prefix=prefix, expire_seconds=expire_seconds)
        self.judge = AlertJudge(
            thresholds,
            clock,
            process=base.process,
            recorder=self.recorder,
            sharing=FigureSharing(base.process, [redis_figures, PostgresFigures(base.postgres)]),
            store=self.store,
            spending=_spending(base),
            delivery=self.delivery,
            known_causes=_known_causes(base, health),
            ids=new_id,
        )

    def _channels(self, clock: Clock) -> dict[str, AlertChannel]:
        channels: dict[str, AlertChannel] = {}
        url, key, slack = (self.secrets.get(name) for name in ("webhook_url", "webhook_secret", "slack_url"))
        if url is not None and key is not None:
            channels["webhook"] = WebhookChannel(url.read, key.read, clock, self._threads)
        if slack is not None:
            channels["slack"] = SlackChannel(slack.read, self._threads)
        return channels

    async def close(self) -> None:
        """Let go of the threads; what they send goes on to its deadline."""
        self._threads.shutdown(wait=False)


async def make_alerts(
    base: Base, health: HealthRegistry, more_channels: Mapping[str, AlertChannel] | None = None
) -> AlertParts:
    """Return the parts, started; where no alert is enabled, only messages that wait are delivered."""
    parts = AlertParts(base, health, more_channels or {})
    base.on_close(parts.close)
    await base.start(parts.delivery)
    if base.settings.alerts.enabled:
        base.call_observers.append(parts.recorder)
        base.counters.add_shared_gauges(AlertGauges(parts.store, thresholds_of(base.settings.alerts).enabled).read)
        await base.start(parts.judge)
    return parts


def _secrets(config: AlertsConfig) -> dict[str, TurningSecret]:
    configured: dict[str, SecretStr | None] = {
        "webhook_url": config.webhook_url,
        "webhook_secret": config.webhook_secret,
        "slack_url": config.slack_url,
    }
    return {name: TurningSecret(secret.get_secret_value()) for name, secret in configured.items() if secret}


def _subscriptions(
    config: AlertsConfig, secrets: Mapping[str, TurningSecret]
) -> list[tuple[SecretReference, Subscriber]]:
    return [
        (secret.reference, _use(secrets[name]))
        for name in secrets
        if isinstance(secret := getattr(config, name), ReferredSecret)
    ]


def _use(secret: TurningSecret) -> Subscriber:
    async def offer(reading: SecretReading) -> Use:
        secret.turn(reading.text)
        return Use.IN_USE

    return offer


def _spending(base: Base) -> SpendingReader:
    calendar = BudgetCalendar(base.settings.budgets.time_zone)
    counters = BudgetStore(base.redis, prefix=base.prefix, calendar=calendar)

    def day_of(now: float) -> AlertDay:
        period = calendar.period(now)
        return AlertDay(period.day, period.day_start, period.midnight)

    async def read_counter(now: float) -> int:
        [spending] = await counters.read([ALL_CALLERS], now)
        return spending.day.spent

    return SpendingReader(base.postgres, day_of, read_counter)


def _known_causes(base: Base, health: HealthRegistry) -> KnownCauses:
    report = shared_health_report(base, health.store)

    def read() -> Sequence[str]:
        known = report.read_local(health)
        down = [
            f"target {each.name} is down: {each.message or each.error or 'no reason known'}"
            for each in known.targets
            if each.state != Circuit.CLOSED.value
        ]
        out = [
            f"credential {each.name} is {each.state}: {each.message or each.error or 'no reason known'}"
            for each in known.credentials
            if each.state != CredentialStatus.HEALTHY.value
        ]
        return [*down, *out][:_MAX_KNOWN_CAUSES]

    return read

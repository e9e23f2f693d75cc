"""Gauges of targets, credentials, the queue, the budget and the alerts.

Callers choose models' names, so a name is shown only where the configuration or the list of prices has it; all the
others are one, `other`.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from tidegate.alerts.store import AlertStore
from tidegate.alerts.thresholds import AlertName
from tidegate.assembly.base import Base, known_models
from tidegate.assembly.routing import credential_names, shared_health_report
from tidegate.core.errors import RedisUnavailable
from tidegate.limits.budget_calendar import BudgetCalendar
from tidegate.limits.budget_store import Amounts, BudgetStore
from tidegate.limits.scopes import ALL_CALLERS
from tidegate.monitoring.counters import Gauge, Sample
from tidegate.monitoring.metrics.model_names import OTHER
from tidegate.queue.waiters import Waiters
from tidegate.routing.fallback_chain import FallbackChain
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import CredentialStatus
from tidegate.routing.routes import is_pattern

_NANOS = 1_000_000_000
_ALERTS_SECONDS = 1.0


def add_upstream_gauges(base: Base, fallback_chain: FallbackChain, waiters: Waiters) -> None:
    """Add the gauges of one process: health of the upstream, waiting calls, retries left."""
    standing = _UpstreamGauges(base, fallback_chain, waiters)
    watch = base.counters.add_gauge
    watch("credential_state", "1 for the state a credential is in, as this process knows it.", standing.credentials)
    watch("target_state", "Targets in each state of their breaker, as this process knows it.", standing.targets)
    watch("queue_waiting_calls", "Calls of this process that wait for the upstream's capacity.", standing.waiting)
    watch("queue_oldest_wait_seconds", "How long the first of them has waited.", standing.oldest)
    watch("retries_left", "Retries that the recent traffic allows.", standing.retries_left)


class _UpstreamGauges:
    def __init__(self, base: Base, fallback_chain: FallbackChain, waiters: Waiters) -> None:
        self._clock = base.clock
        self._fallback_chain = fallback_chain
        self._waiters = waiters
        self._report = shared_health_report(base, fallback_chain.health.store)
        self._credentials = credential_names(base.settings)
        self._models = known_models(base.settings)
        self._route_targets = frozenset(
            (target.provider, target.model or name)
            for name, route in base.settings.routes.items()
            for target in route.targets
            if target.model or not is_pattern(name)
        )

    def credentials(self) -> Iterator[Sample]:
        for shown in self._report.read_local(self._fallback_chain.health).credentials:
            provider, _, credential = shown.name.partition("/")
            for state in CredentialStatus:
                labels = {"provider": provider, "credential": credential, "state": state.value}
                yield Sample(int(state.value == shown.state), labels)

    def targets(self) -> Iterator[Sample]:
        states = self._fallback_chain.health.snapshot.breakers
        counted = Counter(
            (provider, self._model(model), states[name].circuit if name in states else Circuit.CLOSED)
            for provider, model in self._shown_targets()
            for name in (f"{provider}/{model}",)
        )
        for provider, model in sorted({(provider, model) for provider, model, _ in counted}):
            for circuit in Circuit:
                labels = {"provider": provider, "model": model, "state": circuit.value}
                yield Sample(counted[provider, model, circuit], labels)

    def waiting(self) -> Iterator[Sample]:
        waits = self._wait_seconds()
        return (Sample(len(waits[lane]), _lane_labels(lane)) for lane in sorted(waits))

    def oldest(self) -> Iterator[Sample]:
        waits = self._wait_seconds()
        return (Sample(round(max(waits[lane], default=0.0), 3), _lane_labels(lane)) for lane in sorted(waits))

    def retries_left(self) -> int:
        return self._fallback_chain.retry_budget.remaining(self._clock.monotonic())

    def _shown_targets(self) -> set[tuple[str, str]]:
        """Return provider and model of each target that a route names, that had traffic, or that is unhealthy."""
        board = self._fallback_chain.health
        asked = {(traffic.target.provider, traffic.target.model) for traffic in board.all_traffic()}
        down = {tuple(name.split("/", 1)) for name in board.snapshot.breakers}
        return {*self._route_targets, *asked, *((provider, model) for provider, model in down)}

    def _wait_seconds(self) -> dict[tuple[str, str, str], list[float]]:
        """Return the waits so far in seconds, by provider, credential and model."""
        waits: dict[tuple[str, str, str], list[float]] = {
            (provider, credential, self._model(model)): []
            for provider, model in self._shown_targets()
            for credential in self._credentials.get(provider, ())
        }
        for lane, _, seconds in self._waiters.waiting_calls():
            provider, credential, model = lane.split("/", 2)
            waits.setdefault((provider, credential, self._model(model)), []).append(seconds)
        return waits

    def _model(self, name: str) -> str:
        return name if name in self._models else OTHER


def _lane_labels(lane: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("provider", "credential", "model"), lane, strict=True))


class BudgetGauges:
    """Budget and spending of the whole deployment, read from Redis."""

    def __init__(self, base: Base) -> None:
        self._store = BudgetStore(
            base.redis, prefix=base.prefix, calendar=BudgetCalendar(base.settings.budgets.time_zone)
        )
        self._clock = base.clock
        everybody = base.settings.budgets.deployment_limits
        self._limits = everybody.budgets

    async def read(self) -> list[Gauge]:
        """Return limits, spending and reservations; only the limits while Redis is down or counters are rebuilt."""
        help_text = "What the whole deployment may spend in this day, week or month; absent where there is no stop."
        limits = {period: limit for period, limit in self._limits.items() if limit is not None}
        gauges = [_dollars("budget_limit_dollars", help_text, limits)]
        try:
            counted = await self._store.counters_valid()
            [spending] = await self._store.read([ALL_CALLERS], self._clock.now())
        except RedisUnavailable:
            return gauges
        if counted:
            amounts: dict[str, Amounts] = {"day": spending.day, "week": spending.week, "month": spending.month}
            spent = {period: amount.spent for period, amount in amounts.items()}
            held = {period: amount.reserved for period, amount in amounts.items()}
            gauges.append(_dollars("budget_spent_dollars", "What it has spent.", spent))
            gauges.append(_dollars("budget_held_dollars", "What calls under way may still cost.", held))
        return gauges


class AlertGauges:
    """Which alerts fire in the whole deployment."""

    def __init__(self, store: AlertStore, enabled: Collection[AlertName]) -> None:
        self._store = store
        self._enabled = enabled

    async def read(self) -> list[Gauge]:
        """Return 1 or 0 for each enabled alert, muted or not; stores that are away delay it for a second."""
        book = await self._store.read_or_copies(_ALERTS_SECONDS)
        samples = tuple(
            Sample(int(book.state(alert).is_firing), {"alert": alert.value})
            for alert in AlertName
            if alert in self._enabled
        )
        return [Gauge(name="alert_firing", help="1 while the alert fires, also while it is muted.", samples=samples)]


def _dollars(name: str, help_text: str, nanos: dict[str, int]) -> Gauge:
    samples = tuple(Sample(amount / _NANOS, {"period": period}) for period, amount in nanos.items())
    return Gauge(name=name, help=help_text, samples=samples)

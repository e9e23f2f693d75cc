"""Make the providers, the fallback chain with its health registry, and the report on their health."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from random import SystemRandom

from tidegate.assembly.base import Base
from tidegate.core.clock import Clock
from tidegate.core.config import Settings
from tidegate.core.config.sections.providers import DEFAULT_CREDENTIAL, OPENAI_PROVIDER
from tidegate.core.events import Event
from tidegate.providers.base import Provider
from tidegate.providers.registry import make_providers as providers_of
from tidegate.providers.target import Target
from tidegate.providers.transport import Transport
from tidegate.queue.messages import LaneLimits
from tidegate.queue.store import CapacityStore
from tidegate.routing.fallback_chain import FallbackChain
from tidegate.routing.health.change_log import OnChange, log_change
from tidegate.routing.health.checks import HealthChecks
from tidegate.routing.health.registry import HealthRegistry
from tidegate.routing.health.report import HealthReport
from tidegate.routing.health.store import HealthChange, HealthStore


def lane_limits(settings: Settings) -> Callable[[str], LaneLimits]:
    """Return a function that gives the configured limits of a lane, by `provider/credential/model`."""
    longest, upstream = settings.queue.max_waiting, settings.upstream
    known = {
        f"{OPENAI_PROVIDER}/{DEFAULT_CREDENTIAL}": LaneLimits(
            rpm=upstream.rpm or 0, tpm=upstream.tpm or 0, max_waiting=longest
        )
    }
    for name, provider in settings.all_providers.items():
        for credential in provider.credentials:
            terms = LaneLimits(rpm=credential.rpm or 0, tpm=credential.tpm or 0, max_waiting=longest)
            known[f"{name}/{credential.name}"] = terms
    unknown = LaneLimits(max_waiting=longest)
    return lru_cache(1024)(lambda lane: known.get("/".join(lane.split("/", 2)[:2]), unknown))


async def make_providers(base: Base) -> dict[str, Provider]:
    """Return the configured providers, over one transport."""
    transport = Transport(max_connections=base.settings.upstream.max_connections)
    await base.stack.enter_async_context(transport)
    return providers_of(base.settings.all_providers, transport, base.clock)


async def make_fallback_chain(base: Base, providers: Mapping[str, Provider]) -> FallbackChain:
    """Return the fallback chain, with a started health registry and started health checks."""
    settings, clock, random = base.settings, base.clock, SystemRandom()
    store = HealthStore(base.redis, prefix=base.prefix)
    health = await base.start(HealthRegistry(store, settings.breaker, clock=clock, on_change=_note_change(base)))
    await base.start(HealthChecks(health, providers, clock=clock, random=random))
    return FallbackChain(
        providers=providers,
        health=health,
        retries=settings.retries,
        total_seconds=settings.upstream.total_seconds,
        clock=clock,
        random=random,
    )


def _note_change(base: Base) -> Callable[[HealthChange, str], None]:
    """Return a function that logs and counts a change of health."""

    def note(change: HealthChange, before: str) -> None:
        name = log_change(change, before)
        if name is not None:
            base.counters.count_event(Event(name, subject=change.name.partition(" ")[2], cause=change.kind))

    return note


def credential_names(settings: Settings) -> dict[str, list[str]]:
    """Return the names of the credentials, by provider."""
    return {
        name: [credential.name for credential in provider.credentials] or [DEFAULT_CREDENTIAL]
        for name, provider in settings.all_providers.items()
    }


def health_report(
    store: HealthStore,
    lanes: CapacityStore,
    settings: Settings,
    clock: Clock,
    *,
    on_change: OnChange = log_change,
) -> HealthReport:
    """Return the health report of the configured targets and credentials."""
    return HealthReport(
        store,
        targets=[
            Target(target.provider, target.model or model).name
            for model, route in settings.routes.items()
            for target in route.targets
        ],
        credentials=credential_names(settings),
        clock=clock,
        end_waits=lanes.end_waits,
        on_change=on_change,
    )


def shared_health_report(base: Base, store: HealthStore) -> HealthReport:
    """Return the health report of a process that serves."""
    settings = base.settings
    lanes = CapacityStore(base.redis, prefix=base.prefix, lane_limits=lane_limits(settings))
    return health_report(store, lanes, settings, base.clock, on_change=_note_change(base))

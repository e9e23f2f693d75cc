"""The ladder and what it stands on."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from random import SystemRandom

from tidegate.assembly.base import Base
from tidegate.core.clock import Clock
from tidegate.core.config import Settings
from tidegate.core.config.providers import DEFAULT, OPENAI
from tidegate.providers.base import Provider
from tidegate.providers.openai import OpenAI
from tidegate.providers.registry import make_providers as providers_of
from tidegate.providers.target import Target
from tidegate.providers.transport import Transport
from tidegate.queue.messages import LaneTerms
from tidegate.routing.health.alerts import alert
from tidegate.routing.health.checks import Probing
from tidegate.routing.health.registry import Board
from tidegate.routing.health.report import StandingReport
from tidegate.routing.health.store import StandingStore, Told
from tidegate.routing.upstream_call import Ladder


def lane_terms(settings: Settings) -> Callable[[str], LaneTerms]:
    """What is configured of a lane, by its name: `provider/credential/model`."""
    longest, upstream = settings.queue.max_waiting, settings.upstream
    known = {f"{OPENAI}/{DEFAULT}": LaneTerms(rpm=upstream.rpm or 0, tpm=upstream.tpm or 0, longest=longest)}
    for name, provider in settings.every_provider.items():
        for credential in provider.credentials:
            terms = LaneTerms(rpm=credential.rpm or 0, tpm=credential.tpm or 0, longest=longest)
            known[f"{name}/{credential.name}"] = terms
    unknown = LaneTerms(longest=longest)
    return lru_cache(1024)(lambda lane: known.get("/".join(lane.split("/", 2)[:2]), unknown))


async def make_providers(base: Base) -> dict[str, OpenAI]:
    """All providers of the configuration, over one transport."""
    transport = Transport(max_connections=base.settings.upstream.max_connections)
    await base.stack.enter_async_context(transport)
    return providers_of(base.settings.every_provider, transport, base.clock)


async def make_ladder(base: Base, providers: Mapping[str, Provider]) -> Ladder:
    """The ladder, with what it knows of targets and credentials, and who finds out."""
    settings, clock, random = base.settings, base.clock, SystemRandom()
    board = await base.started(Board(StandingStore(base.redis, prefix=base.prefix), settings.breaker, clock=clock))
    await base.started(Probing(board, providers, clock=clock, random=random))
    return Ladder(
        providers=providers,
        board=board,
        retries=settings.retries,
        total_seconds=settings.upstream.total_seconds,
        clock=clock,
        random=random,
    )


def credential_names(settings: Settings) -> dict[str, list[str]]:
    """The names of the credentials, by provider."""
    return {
        name: [credential.name for credential in provider.credentials] or [DEFAULT]
        for name, provider in settings.every_provider.items()
    }


def standing_report(
    store: StandingStore, settings: Settings, clock: Clock, *, alert: Callable[[Told, str], None] = alert
) -> StandingReport:
    """The report on what the configuration names."""
    return StandingReport(
        store,
        targets=[
            Target(target.provider, target.model or model).name
            for model, route in settings.routes.items()
            for target in route.targets
        ],
        credentials=credential_names(settings),
        clock=clock,
        alert=alert,
    )

"""The ladder and what it stands on."""

import contextlib
from collections.abc import Callable, Mapping
from random import SystemRandom

from tidegate.admission.tickets import LaneTerms
from tidegate.connections.redis import RedisLink
from tidegate.core.clock import Clock
from tidegate.core.config import Settings
from tidegate.core.config.providers import DEFAULT, OPENAI
from tidegate.upstream.alerts import alert
from tidegate.upstream.asking import Ladder
from tidegate.upstream.plan import Target
from tidegate.upstream.probing import Probing
from tidegate.upstream.provider import Provider
from tidegate.upstream.standing import Board
from tidegate.upstream.standing_report import StandingReport
from tidegate.upstream.standing_store import StandingStore, Told


def lane_terms(settings: Settings) -> Callable[[str], LaneTerms]:
    """What is configured of a lane, by its name: `provider/credential/model`."""
    longest, upstream = settings.queue.max_waiting, settings.upstream
    known = {f"{OPENAI}/{DEFAULT}": LaneTerms(rpm=upstream.rpm or 0, tpm=upstream.tpm or 0, longest=longest)}
    for name, provider in settings.every_provider.items():
        for credential in provider.credentials:
            terms = LaneTerms(rpm=credential.rpm or 0, tpm=credential.tpm or 0, longest=longest)
            known[f"{name}/{credential.name}"] = terms
    unknown = LaneTerms(longest=longest)
    return lambda lane: known.get("/".join(lane.split("/", 2)[:2]), unknown)


async def make_ladder(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    clock: Clock,
    redis: RedisLink,
    providers: Mapping[str, Provider],
) -> Ladder:
    """The ladder, with what it knows of targets and credentials, and who finds out."""
    random = SystemRandom()
    store = StandingStore(redis, prefix=settings.redis.prefix)
    board = Board(store, settings.breaker, clock=clock)
    probing = Probing(board, providers, clock=clock, random=random)
    for part in (board, probing):
        await part.start()
        stack.push_async_callback(part.close)
    return Ladder(
        providers=providers,
        board=board,
        retries=settings.retries,
        total_seconds=settings.upstream.total_seconds,
        clock=clock,
        random=random,
    )


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
        credentials={
            name: [credential.name for credential in provider.credentials] or [DEFAULT]
            for name, provider in settings.every_provider.items()
        },
        clock=clock,
        alert=alert,
    )

"""The pipeline, and who does its steps."""

from random import SystemRandom

from tidegate.assembly.admission import AdmissionParts
from tidegate.assembly.base import Base
from tidegate.cache.memory_guard import Room
from tidegate.cache.stale import StaleAnswers
from tidegate.cache.stored import Codec
from tidegate.coalescing.registry import Flights
from tidegate.conversations.recall import Recollection
from tidegate.core.ids import new_id
from tidegate.metering import price_list
from tidegate.metering.accountant import Accountant
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.prices import Prices
from tidegate.monitoring.traffic_health import UpstreamHealth
from tidegate.pipeline.background import Deferral
from tidegate.pipeline.fallback_answers import Spares
from tidegate.pipeline.pipeline import Pipeline
from tidegate.pipeline.prepare import Ticketing
from tidegate.pipeline.settle import Settling
from tidegate.providers.registry import Forwarding
from tidegate.routing.routes import Routes
from tidegate.routing.upstream_call import Ladder


async def make_pipeline(  # noqa: PLR0913  # a parameter for each part
    base: Base,
    *,
    admission: AdmissionParts,
    ledger: Ledger,
    ladder: Ladder,
    routes: Routes,
    recollection: Recollection,
    deferral: Deferral,
    health: UpstreamHealth,
) -> Pipeline:
    """The pipeline, with the cache and the flights that it alone uses."""
    settings, clock, redis, prefix = base.settings, base.clock, base.redis, base.prefix
    cache, codec, prices = settings.cache, Codec(), Prices(settings.metering, price_list.load())
    room = await base.started(Room(redis))
    flights = Flights(redis, prefix=prefix, process=base.process, lease_seconds=cache.lease_seconds)
    ticketing = Ticketing(
        door=admission.door,
        flights=await base.started(flights),
        routes=routes,
        forwarding=Forwarding(settings.upstream.forward_headers),
        ladder=ladder,
        random=SystemRandom(),
        prices=prices,
        turns=admission.turns,
        cache=cache,
        queue=settings.queue,
        clock=clock,
    )
    accountant = Accountant(prices, tokens_per_second=settings.metering.unseen_tokens_per_second)
    door = admission.door
    settling = Settling(
        door=door, accountant=accountant, ledger=ledger, health=health, codec=codec, room=room, cache=cache, clock=clock
    )
    return Pipeline(
        keys=admission.keys,
        door=door,
        flights=flights,
        ladder=ladder,
        turns=admission.turns,
        spares=Spares(StaleAnswers(redis, codec, clock, prefix=prefix), clock, new_id),
        recollection=recollection,
        deferral=deferral,
        ticketing=ticketing,
        settling=settling,
        codec=codec,
        models=frozenset(settings.models.allowed),
        clock=clock,
    )

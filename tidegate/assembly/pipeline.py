"""The pipeline, and who does its steps."""

from random import SystemRandom

from tidegate.assembly.admission import AdmissionParts
from tidegate.assembly.base import Base
from tidegate.cache.memory_guard import RedisMemoryGuard
from tidegate.cache.stale import StaleAnswers
from tidegate.cache.stored import AnswerCodec
from tidegate.coalescing.registry import FlightRegistry
from tidegate.conversations.recall import HistoryLoader
from tidegate.core.ids import new_id
from tidegate.metering import price_list
from tidegate.metering.accountant import Accountant
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.prices import Prices
from tidegate.monitoring.traffic_health import TrafficHealth
from tidegate.pipeline.background import BackgroundSubmitter
from tidegate.pipeline.fallback_answers import FallbackAnswers
from tidegate.pipeline.pipeline import Pipeline
from tidegate.pipeline.prepare import RequestPreparer
from tidegate.pipeline.settle import Settler
from tidegate.pipeline.upstream_services import UpstreamCalls
from tidegate.providers.registry import HeaderForwarding
from tidegate.routing.routes import Routes
from tidegate.routing.upstream_call import FallbackChain


async def make_pipeline(  # noqa: PLR0913  # a parameter for each part
    base: Base,
    *,
    admission: AdmissionParts,
    ledger: Ledger,
    fallback_chain: FallbackChain,
    routes: Routes,
    history: HistoryLoader,
    background: BackgroundSubmitter,
    health: TrafficHealth,
) -> Pipeline:
    """The pipeline, with the cache and the flights that it alone uses."""
    settings, clock, redis, prefix = base.settings, base.clock, base.redis, base.prefix
    cache, codec, prices = settings.cache, AnswerCodec(), Prices(settings.metering, price_list.load())
    room = await base.start(RedisMemoryGuard(redis))
    flights = FlightRegistry(redis, prefix=prefix, process=base.process, lease_seconds=cache.lease_seconds)
    ticketing = RequestPreparer(
        admission=admission.admission,
        flights=await base.start(flights),
        routes=routes,
        forwarding=HeaderForwarding(settings.upstream.forward_headers),
        fallback_chain=fallback_chain,
        random=SystemRandom(),
        prices=prices,
        queue_slots=admission.queue_slots,
        cache=cache,
        queue=settings.queue,
        clock=clock,
    )
    accountant = Accountant(prices, tokens_per_second=settings.metering.unseen_tokens_per_second)
    door = admission.admission
    settling = Settler(
        admission=door,
        accountant=accountant,
        ledger=ledger,
        health=health,
        codec=codec,
        memory_guard=room,
        cache=cache,
        clock=clock,
    )
    return Pipeline(
        keys=admission.keys,
        admission=door,
        flights=flights,
        upstream=UpstreamCalls(
            fallback_chain=fallback_chain,
            queue_slots=admission.queue_slots,
            admission=door,
            settler=settling,
            fallback_answers=FallbackAnswers(StaleAnswers(redis, codec, clock, prefix=prefix), clock, new_id),
            clock=clock,
        ),
        history=history,
        background=background,
        preparer=ticketing,
        settler=settling,
        codec=codec,
        models=frozenset(settings.models.allowed),
        clock=clock,
    )

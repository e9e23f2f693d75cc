"""The objects of `tidegate.pipeline`, `tidegate.cache` and `tidegate.coalescing`."""

from random import SystemRandom

from tidegate.assembly.auth import AuthParts
from tidegate.assembly.base import Base
from tidegate.assembly.limits import LimitParts
from tidegate.assembly.queue import QueueParts
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
from tidegate.pipeline.admit import Admitter
from tidegate.pipeline.background import BackgroundSubmitter
from tidegate.pipeline.fallback_answers import FallbackAnswers
from tidegate.pipeline.pipeline import Pipeline
from tidegate.pipeline.prepare import RequestPreparer
from tidegate.pipeline.settle import Settler
from tidegate.pipeline.upstream_services import UpstreamCalls
from tidegate.providers.registry import HeaderForwarding
from tidegate.routing.routes import Routes
from tidegate.routing.upstream_call import FallbackChain


class _PipelineParts:
    """What the steps share: stored answers, flights, prices."""

    def __init__(self, base: Base, limits: LimitParts, queue: QueueParts, ledger: Ledger) -> None:
        settings = base.settings
        self._base = base
        self._admission = limits.admission
        self._queue_slots = queue.slots
        self._ledger = ledger
        self._prices = Prices(settings.metering, price_list.load())
        self.codec = AnswerCodec()
        self.memory_guard = RedisMemoryGuard(base.redis)
        self.flights = FlightRegistry(
            base.redis, prefix=base.prefix, process=base.process, lease_seconds=settings.cache.lease_seconds
        )

    def preparer(self, routes: Routes, fallback_chain: FallbackChain) -> RequestPreparer:
        settings = self._base.settings
        return RequestPreparer(
            admission=self._admission,
            flights=self.flights,
            routes=routes,
            forwarding=HeaderForwarding(settings.upstream.forward_headers),
            fallback_chain=fallback_chain,
            random=SystemRandom(),
            prices=self._prices,
            queue_slots=self._queue_slots,
            cache=settings.cache,
            queue=settings.queue,
            clock=self._base.clock,
        )

    def settler(self, health: TrafficHealth) -> Settler:
        settings = self._base.settings
        return Settler(
            admission=self._admission,
            accountant=Accountant(self._prices, tokens_per_second=settings.metering.unseen_tokens_per_second),
            ledger=self._ledger,
            health=health,
            codec=self.codec,
            memory_guard=self.memory_guard,
            cache=settings.cache,
            clock=self._base.clock,
        )

    def upstream(self, settler: Settler, fallback_chain: FallbackChain) -> UpstreamCalls:
        base = self._base
        stale_answers = StaleAnswers(base.redis, self.codec, base.clock, prefix=base.prefix)
        return UpstreamCalls(
            fallback_chain=fallback_chain,
            queue_slots=self._queue_slots,
            admission=self._admission,
            settler=settler,
            fallback_answers=FallbackAnswers(stale_answers, base.clock, new_id),
            clock=base.clock,
        )


async def make_pipeline(  # noqa: PLR0913  # a parameter for each part
    base: Base,
    *,
    auth: AuthParts,
    limits: LimitParts,
    queue: QueueParts,
    ledger: Ledger,
    fallback_chain: FallbackChain,
    routes: Routes,
    history: HistoryLoader,
    background: BackgroundSubmitter,
    health: TrafficHealth,
) -> Pipeline:
    """Return the pipeline, with the cache and the flights that it alone uses."""
    parts = _PipelineParts(base, limits, queue, ledger)
    await base.start(parts.memory_guard)
    await base.start(parts.flights)
    settler = parts.settler(health)
    return Pipeline(
        keys=auth.keys,
        history=history,
        preparer=parts.preparer(routes, fallback_chain),
        background=background,
        admitter=Admitter(admission=limits.admission, flights=parts.flights, ledger=ledger, clock=base.clock),
        flights=parts.flights,
        upstream=parts.upstream(settler, fallback_chain),
        settler=settler,
        codec=parts.codec,
        models=frozenset(base.settings.models.allowed),
    )

"""The objects of `tidegate.pipeline`, `tidegate.cache` and `tidegate.coalescing`."""

from random import SystemRandom

from tidegate.assembly.auth import AuthParts
from tidegate.assembly.base import Base
from tidegate.assembly.limits import LimitParts
from tidegate.assembly.queue import QueueParts
from tidegate.cache.answer_space import AnswerSpace
from tidegate.cache.memory_guard import RedisMemoryGuard
from tidegate.cache.stale import StaleAnswers
from tidegate.cache.stored import AnswerCodec
from tidegate.coalescing.registry import FlightRegistry
from tidegate.conversations.recall import HistoryLoader
from tidegate.core.config import ConfigError, Settings
from tidegate.core.ids import new_id
from tidegate.core.process.heavy_turns import HeavyTurns
from tidegate.core.values import NO_QUOTA
from tidegate.metering import price_list
from tidegate.metering.accountant import Accountant
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.prices import Prices
from tidegate.metering.unseen_output import WritingLimits
from tidegate.monitoring.traffic_health import TrafficHealth
from tidegate.ownership.owned_object import OwnedPlace
from tidegate.ownership.owners import ObjectOwners
from tidegate.pipeline.admit import Admitter, NearGiver
from tidegate.pipeline.background import BackgroundSubmitter
from tidegate.pipeline.call_cost import BudgetCheck, CallCosts
from tidegate.pipeline.fallback_answers import FallbackAnswers
from tidegate.pipeline.named_objects import NamedObjects
from tidegate.pipeline.pipeline import Pipeline
from tidegate.pipeline.prepare import RequestPreparer
from tidegate.pipeline.settle import Settler
from tidegate.pipeline.upstream_services import UpstreamCalls
from tidegate.providers.registry import HeaderForwarding
from tidegate.routing.fallback_chain import FallbackChain
from tidegate.routing.routes import Routes


class _PipelineParts:
    """What the steps share: stored answers, flights, prices."""

    def __init__(self, base: Base, limits: LimitParts, queue: QueueParts, ledger: Ledger) -> None:
        settings = base.settings
        self._base = base
        self._admission = limits.admission
        self._queue_slots = queue.slots
        self._ledger = ledger
        self._prices = Prices(settings.metering, price_list.load(settings.metering.price_file))
        self.codec = AnswerCodec()
        self.memory_guard = RedisMemoryGuard(
            base.redis,
            AnswerSpace(base.redis, base.clock, prefix=base.prefix),
            memory_ratio=settings.cache.memory_ratio,
            project_ratio=settings.cache.project_ratio,
            max_memory_bytes=settings.redis.max_memory_bytes,
            on_event=base.counters.count_event,
        )
        _add_memory_gauges(base, self.memory_guard)
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
            costs=CallCosts(self._prices, settings.budgets),
            queue_slots=self._queue_slots,
            cache=settings.cache,
            queue=settings.queue,
            clock=self._base.clock,
        )

    def settler(self, health: TrafficHealth) -> Settler:
        settings = self._base.settings
        return Settler(
            admission=self._admission,
            accountant=_accountant(settings, self._prices),
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


def _named_objects(settings: Settings, owners: ObjectOwners, heavy_turns: HeavyTurns, routes: Routes) -> NamedObjects:
    accounts = {}
    for name, config in settings.all_providers.items():
        names = [each.name for each in config.credentials]
        accounts[name] = OwnedPlace(name, names[0] if len(names) == 1 else "")
    configured = frozenset(routes.names) | frozenset(settings.models.allowed)
    return NamedObjects(owners, heavy_turns, configured=configured, accounts=accounts)


def _accountant(settings: Settings, prices: Prices) -> Accountant:
    highest = settings.metering.unseen_tokens_per_second
    providers = {
        name: WritingLimits(
            tokens_per_second=highest, cancels=config.cancels or "streams", stop_seconds=config.stop_seconds or 0.0
        )
        for name, config in settings.all_providers.items()
    }
    return Accountant(prices, tokens_per_second=highest, providers=providers)


def _add_memory_gauges(base: Base, guard: RedisMemoryGuard) -> None:
    watch = base.counters.add_gauge
    watch("redis_memory_bytes", "Memory that Redis uses, as of the last look.", lambda: guard.memory.used)
    watch("redis_memory_limit_bytes", "Memory that Redis may use.", lambda: guard.memory.limit)
    watch("cache_bytes", "Memory of the stored answers of all projects.", lambda: guard.usage.total_bytes)
    help_text = "Memory of the stored answers of the project that has most."
    watch("cache_largest_project_bytes", help_text, lambda: guard.usage.largest_bytes)
    watch(
        "cache_storing", "1 while answers are stored, 0 while Redis is too full.", lambda: int(guard.quota != NO_QUOTA)
    )


def budget_check(settings: Settings) -> BudgetCheck:
    """Return what finds the models that a budget cannot pay: those of the routes and of the price list."""
    prices = price_list.load(settings.metering.price_file)
    routes = Routes(settings.routes, stale_seconds=settings.cache.stale_for_seconds)
    allowed = settings.models.allowed
    models = allowed or dict.fromkeys((*routes.names, *prices.text_models))
    return BudgetCheck(CallCosts(Prices(settings.metering, prices), settings.budgets), routes, models=tuple(models))


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
    owners: ObjectOwners,
) -> Pipeline:
    """Return the pipeline, with the cache and the flights that it alone uses."""
    parts = _PipelineParts(base, limits, queue, ledger)
    await base.start(parts.memory_guard)
    await base.start(parts.flights)
    settler = parts.settler(health)
    heavy_turns = HeavyTurns()
    preparer = parts.preparer(routes, fallback_chain)
    admitter = Admitter(admission=limits.admission, flights=parts.flights, ledger=ledger, clock=base.clock)
    pipeline = Pipeline(
        keys=auth.keys,
        history=history,
        preparer=preparer,
        background=background,
        admitter=admitter,
        near=NearGiver(ledger, base.clock),
        flights=parts.flights,
        upstream=parts.upstream(settler, fallback_chain),
        settler=settler,
        codec=parts.codec,
        memory=base.answer_memory,
        heavy_turns=heavy_turns,
        objects=_named_objects(base.settings, owners, heavy_turns, routes),
        tag_metadata=base.settings.metering.tag_metadata,
        models=frozenset(base.settings.models.allowed),
    )
    if base.settings.semantic.is_used:
        await _add_semantic_tier(base, pipeline, preparer, admitter)
    return pipeline


async def _add_semantic_tier(base: Base, pipeline: Pipeline, preparer: RequestPreparer, admitter: Admitter) -> None:
    """Add the tier, whose libraries are an extra and are imported only here. Raises ConfigError without them."""
    try:
        from tidegate.assembly.operating.semantic import add_semantic_tier  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigError(
            f"`semantic` is configured, and its libraries are not installed: {error}. Install `tidegate[semantic]`."
        ) from error
    await add_semantic_tier(base, pipeline, preparer, admitter)

"""The composition root: the only place where the parts are made and put together."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from functools import partial
from random import SystemRandom
from typing import Protocol, TypeVar

import structlog
from fastapi import FastAPI

from tidegate.admission.budget_report import BudgetReport
from tidegate.admission.budget_store import BudgetStore
from tidegate.admission.door import Door
from tidegate.admission.gate import Gate
from tidegate.admission.holds import Holds
from tidegate.admission.key_store import KeyStore
from tidegate.admission.keys import KeyRing
from tidegate.admission.lane_store import LaneStore
from tidegate.admission.local import LocalLimits
from tidegate.admission.places import Places
from tidegate.admission.project_store import ProjectStore
from tidegate.admission.queue_report import QueueReport
from tidegate.admission.recount import Recount
from tidegate.admission.replicas import Replicas
from tidegate.admission.tickets import LaneTerms
from tidegate.admission.turn import Turns
from tidegate.admission.visits import Visits
from tidegate.assembly.background import BackgroundParts
from tidegate.assembly.data import data_desk
from tidegate.assembly.ladder import lane_terms, make_ladder, standing_report
from tidegate.cache.flights import Flights
from tidegate.cache.room import Room
from tidegate.cache.stale import StaleAnswers
from tidegate.cache.stored import Codec
from tidegate.connections.postgres import Postgres
from tidegate.connections.redis import RedisLink
from tidegate.conversations.archive import Archive
from tidegate.conversations.completion_store import CompletionStore
from tidegate.conversations.conversation_store import ConversationStore
from tidegate.conversations.item_store import ItemStore
from tidegate.conversations.keeper import Keeper
from tidegate.conversations.partitions import Partitions
from tidegate.conversations.recollection import Recollection
from tidegate.conversations.response_store import ResponseStore
from tidegate.core import config, logs
from tidegate.core.clock import Clock, SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.ending import Ending
from tidegate.core.happenings import Tell
from tidegate.core.ids import new_id
from tidegate.core.memory import keep_for_good
from tidegate.core.values import Limits
from tidegate.metering import price_list
from tidegate.metering.accountant import Accountant
from tidegate.metering.drainer import Drainer
from tidegate.metering.ledger import Ledger
from tidegate.metering.ledger_store import LedgerStore
from tidegate.metering.ledger_stream import LedgerStream
from tidegate.metering.prices import Prices
from tidegate.metering.report import Reports
from tidegate.metering.spool import Spool
from tidegate.pipeline import Pipeline
from tidegate.story.deferring import Deferral
from tidegate.story.settling import Settling
from tidegate.story.spares import Spares
from tidegate.story.ticketing import Ticketing
from tidegate.upstream.asking import Ladder
from tidegate.upstream.models import Models
from tidegate.upstream.openai import OpenAI
from tidegate.upstream.providers import Forwarding, make_providers
from tidegate.upstream.routes import Routes
from tidegate.upstream.standing_report import StandingReport
from tidegate.upstream.transport import Transport
from tidegate.watch.counters import Counters
from tidegate.watch.upstream_health import UpstreamHealth
from tidegate.web.admin import add_admin
from tidegate.web.admin_desks import KeyDesk, Overlook, ProjectDesk
from tidegate.web.api import add_health, add_models, create_api
from tidegate.web.completion_desk import CompletionDesk
from tidegate.web.conversation_desk import ConversationDesk
from tidegate.web.front import Front
from tidegate.web.gateway import App, Gateway
from tidegate.web.inference import Inference
from tidegate.web.metrics import add_metrics
from tidegate.web.question_desk import QuestionDesk
from tidegate.web.response_desk import ResponseDesk
from tidegate.web.sockets.endpoint import Sockets
from tidegate.web.stateful import add_stateful
from tidegate.web.upstream_desk import UpstreamDesk

_log = structlog.get_logger("app")


def create() -> App:
    """The application as its environment configures it: what each worker process of `tidegate serve` runs."""
    settings = config.load()
    logs.configure(settings.log_level)
    app = build(settings)
    keep_for_good()
    return app


def build(settings: Settings, clock: Clock | None = None) -> App:
    """The application; its parts come to life with its lifespan. Raises ConfigError where a store is not named."""
    if settings.database_url is None or settings.redis_url is None:
        raise ConfigError("Set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, or use `tidegate run`, which starts both.")
    parts = _Parts(settings, clock or SystemClock())
    return Gateway(parts.api, parts.inference, parts.sockets)


class _Parts:
    """Everything that lives as long as the application."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._inference: Inference | None = None
        self._sockets: Sockets | None = None
        self.api = create_api(self._lifespan, new_id)

    def inference(self) -> Inference:
        assert self._inference is not None, "requests come after the lifespan began"  # noqa: S101  # ASGI's promise
        return self._inference

    def sockets(self) -> Sockets:
        assert self._sockets is not None, "requests come after the lifespan began"  # noqa: S101  # ASGI's promise
        return self._sockets

    @contextlib.asynccontextmanager
    async def _lifespan(self, api: FastAPI) -> AsyncIterator[None]:
        """Start what runs in the background, from the stores up; stop it in the reverse order."""
        settings, clock, prefix = self._settings, self._clock, self._settings.redis.prefix
        async with contextlib.AsyncExitStack() as stack:
            counters = Counters()
            postgres = _postgres(stack, settings, counters.happened)
            redis = await _started(stack, _redis(settings, clock, counters.happened))
            key_store = KeyStore(postgres, redis, clock=clock, prefix=prefix)
            keys = await _started(stack, KeyRing(key_store, clock))
            recount = _recount(stack, settings, clock, postgres, redis)
            ledger = _ledger(stack, settings, clock, postgres, redis, recount=recount, counters=counters)
            providers = await _providers(stack, settings, clock)
            routes = Routes(settings.routes, stale_for=settings.cache.stale_for_seconds)
            lease, process = settings.cache.lease_seconds, new_id("p")
            flights = await _started(stack, Flights(redis, prefix=prefix, process=process, lease_seconds=lease))
            gate = Gate(redis, prefix=prefix, lease_seconds=lease)
            holds = await _started(stack, Holds(gate, clock, lease_seconds=settings.budgets.lease_seconds))
            replicas, health = Replicas(), UpstreamHealth(clock)
            door = Door(gate, holds, recount, LocalLimits(replicas), everybody=_everybody(settings))
            ladder = await make_ladder(stack, settings, clock, redis, providers)
            terms = lane_terms(settings)
            places = Places(redis, prefix=prefix, process=process, clock=clock, terms=terms, replicas=replicas)
            turns = Turns(await _started(stack, places), terms=terms, in_flight=settings.queue.in_flight, clock=clock)
            await _started(stack, Keeper(Partitions(postgres), clock))
            recollection = _recollection(stores := _Stores(Archive(postgres, clock)), postgres, clock)
            visits = Visits(door, clock)
            background = BackgroundParts(
                settings, clock, postgres, redis, stores.responses, visits=visits, counters=counters
            )
            pipeline = _pipeline(
                settings, clock, redis, room=await _started(stack, Room(redis)), recollection=recollection,
                deferral=background.deferral, keys=keys, door=door, flights=flights, routes=routes, ladder=ladder,
                ledger=ledger, health=health, turns=turns,
            )  # fmt: skip
            models = _add_models(api, settings, clock, keys, providers=providers, routes=routes)
            report = standing_report(ladder.board.store, settings, clock)
            told = partial(report.now_on, ladder.board)
            add_health(api, postgres=postgres, redis=redis, upstream=health, probe=models.probe, standings=told)
            _add_admin(api, settings, clock, postgres=postgres, redis=redis, keys=key_store, ring=keys, report=report)
            front = Front(keys, visits, settings.server, new_id)
            _add_stateful(api, clock, front, stores, (recollection, pipeline, background.deferral))
            runner = await _started(stack, background.runner(pipeline.answer, process))
            await _started(stack, Ending(runner.leave))
            self._sockets = _sockets(settings, clock, pipeline, keys, counters)
            add_metrics(api, keys, counters.read, open_to_all=settings.watch.open_metrics, ids=new_id)
            self._inference = Inference(pipeline, settings.server, new_id, counters.failed)
            _tell_ready(settings)
            yield


class _Part(Protocol):
    async def start(self) -> None: ...

    async def close(self) -> None: ...


_AnyPart = TypeVar("_AnyPart", bound=_Part)


async def _started(stack: contextlib.AsyncExitStack, part: _AnyPart) -> _AnyPart:
    """A part that runs from here on, until the stack unwinds."""
    await part.start()
    stack.push_async_callback(part.close)
    return part


def _pipeline(  # noqa: PLR0913  # a parameter for each part
    settings: Settings,
    clock: Clock,
    redis: RedisLink,
    *,
    room: Room,
    recollection: Recollection,
    deferral: Deferral,
    keys: KeyRing,
    door: Door,
    flights: Flights,
    routes: Routes,
    ladder: Ladder,
    ledger: Ledger,
    health: UpstreamHealth,
    turns: Turns,
) -> Pipeline:
    cache, codec = settings.cache, Codec()
    prices = Prices(settings.metering, price_list.load())
    ticketing = Ticketing(
        door=door,
        flights=flights,
        routes=routes,
        forwarding=Forwarding(settings.upstream.forward_headers),
        ladder=ladder,
        random=SystemRandom(),
        prices=prices,
        turns=turns,
        cache=cache,
        queue=settings.queue,
        clock=clock,
    )
    accounts = Accountant(prices)
    settling = Settling(
        door=door, accountant=accounts, ledger=ledger, health=health, codec=codec, room=room, cache=cache, clock=clock
    )
    spares = Spares(StaleAnswers(redis, codec, clock, prefix=settings.redis.prefix), clock, new_id)
    return Pipeline(
        keys=keys, door=door, flights=flights, ladder=ladder, turns=turns, spares=spares,
        recollection=recollection, deferral=deferral, ticketing=ticketing,
        settling=settling, codec=codec, models=frozenset(settings.models.allowed), clock=clock,
    )  # fmt: skip


class _Stores:
    """Where what was said is kept."""

    def __init__(self, archive: Archive) -> None:
        self.responses = ResponseStore(archive)
        self.completions = CompletionStore(archive)
        self.conversations = ConversationStore(archive)
        self.items = ItemStore(archive)


def _recollection(stores: _Stores, postgres: Postgres, clock: Clock) -> Recollection:
    return Recollection(
        responses=stores.responses,
        completions=stores.completions,
        conversations=stores.conversations,
        items=stores.items,
        ready=postgres.ready,
        ids=new_id,
        clock=clock,
    )


def _add_stateful(
    api: FastAPI, clock: Clock, front: Front, stores: _Stores, behind: tuple[Recollection, Pipeline, Deferral]
) -> None:
    recollection, pipeline, deferral = behind
    add_stateful(
        api,
        completions=CompletionDesk(front, stores.completions),
        responses=ResponseDesk(front, stores.responses, deferral),
        questions=QuestionDesk(front, recollection, pipeline, ids=new_id, clock=clock),
        conversations=ConversationDesk(front, stores.conversations, ids=new_id, clock=clock),
    )


def _sockets(settings: Settings, clock: Clock, pipeline: Pipeline, keys: KeyRing, counters: Counters) -> Sockets:
    sockets = Sockets(
        pipeline,
        keys,
        config=settings.websocket,
        server=settings.server,
        clock=clock,
        ids=new_id,
        failed=counters.failed,
    )
    counters.watch({"websocket_connections": lambda: sockets.open})
    return sockets


async def _providers(stack: contextlib.AsyncExitStack, settings: Settings, clock: Clock) -> dict[str, OpenAI]:
    transport = await stack.enter_async_context(Transport(max_connections=settings.upstream.max_connections))
    return make_providers(settings.every_provider, transport, clock)


def _add_models(  # a parameter for each part
    api: FastAPI, settings: Settings, clock: Clock, keys: KeyRing, *, providers: Mapping[str, OpenAI], routes: Routes
) -> Models:
    models = Models(providers, routes, allowed=frozenset(settings.models.allowed), clock=clock)
    add_models(api, keys, models, new_id)
    return models


def _tell_ready(settings: Settings) -> None:
    server = settings.server
    others = {name: provider.base_url for name, provider in settings.providers.items()}
    upstream = settings.upstream.base_url
    _log.info("ready", host=server.host, port=server.port, upstream=upstream, providers=others)


def _recount(
    stack: contextlib.AsyncExitStack, settings: Settings, clock: Clock, postgres: Postgres, redis: RedisLink
) -> Recount:
    grace = settings.budgets.recount_after_seconds
    recount = Recount(redis, postgres, prefix=settings.redis.prefix, clock=clock, grace_seconds=grace)
    stack.push_async_callback(recount.close)
    return recount


def _everybody(settings: Settings) -> Limits:
    budgets = settings.budgets
    return Limits(budget_day=_nanos(budgets.stop_usd_per_day), budget_month=_nanos(budgets.stop_usd_per_month))


def _nanos(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd * 1_000_000_000)


def _add_admin(  # noqa: PLR0913  # a parameter for each part
    api: FastAPI,
    settings: Settings,
    clock: Clock,
    *,
    postgres: Postgres,
    redis: RedisLink,
    keys: KeyStore,
    ring: KeyRing,
    report: StandingReport,
) -> None:
    prefix = settings.redis.prefix
    lanes = LaneStore(redis, prefix=prefix, terms=lambda _: LaneTerms())  # looking needs no terms
    overlook = Overlook(
        budgets=BudgetReport(postgres, BudgetStore(redis, prefix=prefix), everybody=settings.budgets.everybody),
        queue=QueueReport(lanes, lane_terms(settings)),
        reports=Reports(postgres),
        clock=clock,
    )
    projects = ProjectDesk(ProjectStore(postgres, redis, prefix=prefix))
    desk, upstreams, data = KeyDesk(keys, clock), UpstreamDesk(report), data_desk(postgres, redis, clock, prefix=prefix)
    add_admin(api, ring, keys=desk, projects=projects, overlook=overlook, upstream=upstreams, data=data, ids=new_id)


def _postgres(stack: contextlib.AsyncExitStack, settings: Settings, tell: Tell) -> Postgres:
    assert settings.database_url is not None  # noqa: S101  # `build` refused otherwise
    url, database = settings.database_url.get_secret_value(), settings.database
    postgres = Postgres(url, size=database.pool_size, timeout=database.timeout_seconds, tell=tell)
    stack.push_async_callback(postgres.close)
    return postgres


def _redis(settings: Settings, clock: Clock, tell: Tell) -> RedisLink:
    assert settings.redis_url is not None  # noqa: S101  # `build` refused otherwise
    url, timeout = settings.redis_url.get_secret_value(), settings.redis.timeout_seconds
    return RedisLink(url, timeout=timeout, clock=clock, tell=tell)


def _ledger(  # noqa: PLR0913  # a parameter for each part
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    clock: Clock,
    postgres: Postgres,
    redis: RedisLink,
    *,
    recount: Recount,
    counters: Counters,
) -> Ledger:
    """The ledger's way into PostgreSQL, open until the stack unwinds."""
    tell = counters.happened
    stream = LedgerStream(redis, settings.redis.prefix)
    spool = Spool(settings.metering.spool_dir)
    drainer = Drainer(stream, LedgerStore(postgres), spool, clock=clock, on_replayed=recount.forget, tell=tell)
    drainer.start()
    stack.push_async_callback(drainer.close)
    ledger = Ledger(stream, spool, most_held=settings.metering.most_held, tell=tell)
    stack.push_async_callback(ledger.close)
    counters.watch({"redis_up": lambda: int(redis.up), "ledger_lines_in_memory": lambda: ledger.held})
    counters.watch({"postgres_wait_p99_microseconds": lambda: round(postgres.wait_p99 * 1e6)})
    return ledger

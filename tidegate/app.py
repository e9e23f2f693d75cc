"""The composition root: with `tidegate.assembly`, the only place that builds objects and connects them."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from fastapi import FastAPI

from tidegate.assembly.alerts import make_alerts
from tidegate.assembly.auth import make_auth
from tidegate.assembly.background import BackgroundParts
from tidegate.assembly.base import Base, make_base
from tidegate.assembly.conversations import make_conversations
from tidegate.assembly.gauges import add_upstream_gauges
from tidegate.assembly.limits import make_limits
from tidegate.assembly.metering import make_ledger
from tidegate.assembly.openai.realtime import make_realtime
from tidegate.assembly.operating.sentry import check_sentry, make_sentry
from tidegate.assembly.operations.ownership import make_ownership
from tidegate.assembly.operations.passthrough import make_passthrough
from tidegate.assembly.pipeline import make_pipeline
from tidegate.assembly.queue import make_queue
from tidegate.assembly.reports import add_call_records, make_reporter
from tidegate.assembly.routing import make_fallback_chain, make_providers
from tidegate.assembly.secrets import connect_secrets
from tidegate.assembly.web import WebParts
from tidegate.core.call_report import CallObserver
from tidegate.core.clock import Clock, SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.secret_values import check_values, remember_values
from tidegate.core.ids import IdBlocks, new_id
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.core.process.shutdown import Shutdown
from tidegate.metering import price_list
from tidegate.monitoring.traffic_health import TrafficHealth
from tidegate.pipeline.call_record import CallReporter
from tidegate.pipeline.pipeline import Pipeline
from tidegate.routing.models import ModelCatalog
from tidegate.routing.routes import Routes
from tidegate.secrets.link import WatchLink
from tidegate.web.api import create_api
from tidegate.web.asgi import Gateway
from tidegate.web.cors import CrossOrigin
from tidegate.web.inference.endpoint import InferenceEndpoint
from tidegate.web.passthrough.endpoint import PassthroughEndpoint
from tidegate.web.realtime.endpoint import RealtimeEndpoint
from tidegate.web.websocket.endpoint import WebSocketEndpoint


def build(
    settings: Settings,
    clock: Clock | None = None,
    secrets: WatchLink | None = None,
    observers: Sequence[CallObserver] = (),
) -> Gateway:
    """Return the application; its lifespan starts its parts.

    `secrets` connects it to its replica's watch over secrets; without it, the application has a watch of its own.
    `observers` observe its calls, besides those of the configuration.

    Raises ConfigError if the URL of a store is missing, a secret was not read, or Sentry's settings or the
    price list cannot be used.
    """
    check_values(settings)
    remember_values(settings)
    if settings.database_url is None or settings.redis_url is None:
        raise ConfigError("Set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, or use `tidegate run`, which starts both.")
    check_sentry(settings)
    price_list.load(settings.metering.price_file)
    parts = _GatewayParts(settings, clock or SystemClock(), secrets, observers)
    return Gateway(
        parts.api,
        parts.inference,
        parts.sockets,
        parts.passthrough,
        parts.realtime,
        lifecycle=parts.lifecycle,
        ids=new_id,
        cross_origin=CrossOrigin(settings.server.cors_origins) if settings.server.cors_origins else None,
    )


class _GatewayParts:
    """The objects that live as long as the application."""

    def __init__(
        self, settings: Settings, clock: Clock, secrets: WatchLink | None, observers: Sequence[CallObserver]
    ) -> None:
        self._observers = observers
        self._settings = settings
        self._secrets = secrets
        self._clock = clock
        self._inference: InferenceEndpoint | None = None
        self._sockets: WebSocketEndpoint | None = None
        self._passthrough: PassthroughEndpoint | None = None
        self._realtime: RealtimeEndpoint | None = None
        self.lifecycle = Lifecycle()
        self.api = create_api(self._lifespan, new_id)

    def inference(self) -> InferenceEndpoint:
        assert self._inference is not None, "no request comes before the lifespan has begun"  # noqa: S101  # ASGI's promise
        return self._inference

    def sockets(self) -> WebSocketEndpoint:
        assert self._sockets is not None, "no request comes before the lifespan has begun"  # noqa: S101  # ASGI's promise
        return self._sockets

    def passthrough(self) -> PassthroughEndpoint:
        assert self._passthrough is not None, "no request comes before the lifespan has begun"  # noqa: S101  # ASGI's promise
        return self._passthrough

    def realtime(self) -> RealtimeEndpoint:
        assert self._realtime is not None, "no request comes before the lifespan has begun"  # noqa: S101  # ASGI's promise
        return self._realtime

    @contextlib.asynccontextmanager
    async def _lifespan(self, api: FastAPI) -> AsyncIterator[None]:
        """Start everything, the stores first; stop it in the reverse order."""
        settings, clock = self._settings, self._clock
        async with contextlib.AsyncExitStack() as stack:
            base = await make_base(settings, clock, stack)
            base.call_observers += self._observers
            sentry = await make_sentry(base)
            auth = await make_auth(base)
            queue = await make_queue(base)
            limits = await make_limits(base, queue.replicas)
            ledger = await make_ledger(base, limits.budget_rebuild)
            providers = await make_providers(base)
            fallback_chain = await make_fallback_chain(base, providers)
            alerts = await make_alerts(base, fallback_chain.health, sentry.channels)
            others = [*alerts.subscriptions, *sentry.subscriptions]
            await connect_secrets(base, providers, fallback_chain.health, self._secrets, others=others)
            add_upstream_gauges(base, fallback_chain, queue.waiters)
            routes = Routes(settings.routes, stale_seconds=settings.cache.stale_for_seconds)
            health = TrafficHealth(clock)
            conversations, ownership = await make_conversations(base), await make_ownership(base)
            background = BackgroundParts(base, conversations.responses, limits.request_count)
            pipeline = await make_pipeline(
                base,
                auth=auth,
                limits=limits,
                queue=queue,
                ledger=ledger,
                fallback_chain=fallback_chain,
                routes=routes,
                history=conversations.history,
                background=background.submitter,
                health=health,
                owners=ownership.owners,
            )
            await add_call_records(base, ledger)
            reporter = make_reporter(base)
            web = WebParts(api, base, auth, limits.request_count, self.lifecycle)
            models = ModelCatalog(providers, routes, allowed=frozenset(settings.models.allowed), clock=clock)
            await web.add_operations(models, health, fallback_chain.health, queue.replicas)
            web.add_stateful_api(conversations, pipeline, background.submitter, reporter)
            supervisor = await base.start(background.worker_supervisor(pipeline.answer, reporter))
            await base.start(Shutdown(supervisor.begin_shutdown))
            passthrough = await make_passthrough(
                base, auth, limits, queue, ledger, providers, fallback_chain.health, health, ownership
            )
            self._passthrough = web.passthrough_endpoint(passthrough, reporter)
            self._sockets = web.websocket_endpoint(pipeline, reporter)
            self._realtime = make_realtime(base, auth, limits, ledger, fallback_chain, routes, reporter, self.lifecycle)
            self._inference = self._inference_endpoint(base, pipeline, reporter)
            yield

    def _inference_endpoint(self, base: Base, pipeline: Pipeline, reporter: CallReporter | None) -> InferenceEndpoint:
        return InferenceEndpoint(
            pipeline,
            self._settings.server,
            IdBlocks(),
            memory=base.body_memory,
            on_failure=base.counters.count_failure,
            lifecycle=self.lifecycle,
            reporter=reporter,
        )

"""The composition root: with the rooms of `tidegate.assembly`, the only place where parts are made and put together."""

import contextlib
from collections.abc import AsyncIterator

import structlog
from fastapi import FastAPI

from tidegate.assembly.admission import make_admission, make_ledger
from tidegate.assembly.background import BackgroundParts
from tidegate.assembly.base import make_base
from tidegate.assembly.conversations import make_conversations
from tidegate.assembly.gauges import add_upstream_gauges
from tidegate.assembly.pipeline import make_pipeline
from tidegate.assembly.routing import make_fallback_chain, make_providers
from tidegate.assembly.web import WebParts
from tidegate.core import config, logs
from tidegate.core.clock import Clock, SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.gc_tuning import freeze_startup_objects
from tidegate.core.ids import new_id
from tidegate.core.shutdown import Shutdown, exit_with_parent
from tidegate.monitoring.traffic_health import TrafficHealth
from tidegate.routing.models import ModelCatalog
from tidegate.routing.routes import Routes
from tidegate.web.api import create_api
from tidegate.web.asgi import App, Gateway
from tidegate.web.inference.endpoint import InferenceEndpoint
from tidegate.web.websocket.endpoint import WebSocketEndpoint

_log = structlog.get_logger("app")


def create() -> App:
    """The application as its environment configures it: what each worker process of `tidegate serve` runs."""
    exit_with_parent()
    settings = config.load()
    logs.configure(settings.log_level)
    app = build(settings)
    freeze_startup_objects()
    return app


def build(settings: Settings, clock: Clock | None = None) -> App:
    """The application; its parts come to life with its lifespan. Raises ConfigError where a store is not named."""
    if settings.database_url is None or settings.redis_url is None:
        raise ConfigError("Set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, or use `tidegate run`, which starts both.")
    parts = _GatewayParts(settings, clock or SystemClock())
    return Gateway(parts.api, parts.inference, parts.sockets)


class _GatewayParts:
    """Everything that lives as long as the application."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._inference: InferenceEndpoint | None = None
        self._sockets: WebSocketEndpoint | None = None
        self.api = create_api(self._lifespan, new_id)

    def inference(self) -> InferenceEndpoint:
        assert self._inference is not None, "requests come after the lifespan began"  # noqa: S101  # ASGI's promise
        return self._inference

    def sockets(self) -> WebSocketEndpoint:
        assert self._sockets is not None, "requests come after the lifespan began"  # noqa: S101  # ASGI's promise
        return self._sockets

    @contextlib.asynccontextmanager
    async def _lifespan(self, api: FastAPI) -> AsyncIterator[None]:
        """Start what runs in the background, from the stores up; stop it in the reverse order."""
        settings, clock = self._settings, self._clock
        async with contextlib.AsyncExitStack() as stack:
            base = await make_base(settings, clock, stack)
            admission = await make_admission(base)
            ledger = await make_ledger(base, admission.budget_rebuild)
            providers = await make_providers(base)
            ladder = await make_fallback_chain(base, providers)
            add_upstream_gauges(base, ladder, admission.waiters)
            routes = Routes(settings.routes, stale_seconds=settings.cache.stale_for_seconds)
            health = TrafficHealth(clock)
            said = await make_conversations(base)
            background = BackgroundParts(base, said.responses, admission.request_count)
            pipeline = await make_pipeline(
                base,
                admission=admission,
                ledger=ledger,
                fallback_chain=ladder,
                routes=routes,
                history=said.history,
                background=background.submitter,
                health=health,
            )
            surface = WebParts(api, base, admission)
            models = ModelCatalog(providers, routes, allowed=frozenset(settings.models.allowed), clock=clock)
            surface.add_operations(models, health, ladder.health)
            surface.add_stateful_api(said, pipeline, background.submitter)
            runner = await base.start(background.worker_supervisor(pipeline.answer))
            await base.start(Shutdown(runner.begin_shutdown))
            self._sockets = surface.websocket_endpoint(pipeline)
            self._inference = InferenceEndpoint(pipeline, settings.server, new_id, base.counters.count_failure)
            _log_ready(settings)
            yield


def _log_ready(settings: Settings) -> None:
    server = settings.server
    others = {name: provider.base_url for name, provider in settings.providers.items()}
    upstream = settings.upstream.base_url
    _log.info("ready", host=server.host, port=server.port, upstream=upstream, providers=others)

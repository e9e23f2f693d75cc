"""The composition root: with the rooms of `tidegate.assembly`, the only place where parts are made and put together."""

import contextlib
from collections.abc import AsyncIterator

import structlog
from fastapi import FastAPI

from tidegate.assembly.admission import make_admission, make_ledger
from tidegate.assembly.background import BackgroundParts
from tidegate.assembly.base import make_base
from tidegate.assembly.conversations import make_conversations
from tidegate.assembly.gauges import watch_upstream
from tidegate.assembly.pipeline import make_pipeline
from tidegate.assembly.routing import make_ladder, make_providers
from tidegate.assembly.web import Surface
from tidegate.core import config, logs
from tidegate.core.clock import Clock, SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.gc_tuning import keep_for_good
from tidegate.core.ids import new_id
from tidegate.core.shutdown import Ending, end_with_parent
from tidegate.monitoring.traffic_health import UpstreamHealth
from tidegate.routing.models import Models
from tidegate.routing.routes import Routes
from tidegate.web.api import create_api
from tidegate.web.asgi import App, Gateway
from tidegate.web.inference.endpoint import Inference
from tidegate.web.websocket.endpoint import Sockets

_log = structlog.get_logger("app")


def create() -> App:
    """The application as its environment configures it: what each worker process of `tidegate serve` runs."""
    end_with_parent()
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
        settings, clock = self._settings, self._clock
        async with contextlib.AsyncExitStack() as stack:
            base = await make_base(settings, clock, stack)
            admission = await make_admission(base)
            ledger = make_ledger(base, admission.recount)
            providers = await make_providers(base)
            ladder = await make_ladder(base, providers)
            watch_upstream(base, ladder, admission.places)
            routes = Routes(settings.routes, stale_for=settings.cache.stale_for_seconds)
            health = UpstreamHealth(clock)
            said = await make_conversations(base)
            background = BackgroundParts(base, said.responses, admission.visits)
            pipeline = await make_pipeline(
                base,
                admission=admission,
                ledger=ledger,
                ladder=ladder,
                routes=routes,
                recollection=said.recollection,
                deferral=background.deferral,
                health=health,
            )
            surface = Surface(api, base, admission)
            models = Models(providers, routes, allowed=frozenset(settings.models.allowed), clock=clock)
            surface.add_upstream(models, health, ladder.board)
            surface.add_conversations(said, pipeline, background.deferral)
            runner = await base.started(background.runner(pipeline.answer))
            await base.started(Ending(runner.leave))
            self._sockets = surface.sockets(pipeline)
            self._inference = Inference(pipeline, settings.server, new_id, base.counters.failed)
            _tell_ready(settings)
            yield


def _tell_ready(settings: Settings) -> None:
    server = settings.server
    others = {name: provider.base_url for name, provider in settings.providers.items()}
    upstream = settings.upstream.base_url
    _log.info("ready", host=server.host, port=server.port, upstream=upstream, providers=others)

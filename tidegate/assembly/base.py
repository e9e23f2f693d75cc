"""What all packages need: the stores, the counters, the clock, and the start and stop of parts."""

import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from tidegate.core.call_report import CallObserver
from tidegate.core.clock import Clock
from tidegate.core.config import Settings
from tidegate.core.errors import AnswerMemoryExceeded
from tidegate.core.events import EventSink
from tidegate.core.ids import new_id
from tidegate.core.process.call_memory import CallMemory
from tidegate.core.tokenizer import import_extension
from tidegate.metering import price_list
from tidegate.monitoring.counters import Counters
from tidegate.monitoring.metrics.call_metrics import CallMetrics
from tidegate.monitoring.metrics.model_names import ModelNames
from tidegate.monitoring.worker_metrics import WorkerMetrics
from tidegate.storage.outage_log import OutageLog
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink


class Closeable(Protocol):
    """Something that runs in the background."""

    async def start(self) -> None:
        """Start."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


_AnyCloseable = TypeVar("_AnyCloseable", bound=Closeable)


class Base:
    """The stores and what every part may use. Parts stop in the reverse order of their start."""

    def __init__(self, settings: Settings, clock: Clock, stack: contextlib.AsyncExitStack) -> None:
        """Use `make_base`."""
        self.settings = settings
        self.clock = clock
        self.stack = stack
        import_extension()
        self.call_metrics = _call_metrics(settings)
        """None where calls are not measured."""
        self.counters = Counters(self.call_metrics)
        self.workers = WorkerMetrics(self.counters, settings.monitoring.workers_dir)
        self.prefix = settings.redis.prefix
        self.process = new_id("p")
        """The name of this process among all that share the stores."""
        self.call_observers: list[CallObserver] = []
        """What observes the calls of this process; parts add themselves before the routes are built."""
        if self.call_metrics is not None:
            self.call_observers.append(self.call_metrics)
        self.body_memory = _body_memory(settings)
        self.answer_memory = _answer_memory(settings)
        self.postgres = _postgres(settings, self.counters.count_event)
        self.redis = _redis(settings, clock, self.counters.count_event)

    async def start(self, part: _AnyCloseable) -> _AnyCloseable:
        """Start a part, which stops when the application stops; return it."""
        await part.start()
        self.on_close(part.close)
        return part

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call `close` when the application stops."""
        self.stack.push_async_callback(close)


async def make_base(settings: Settings, clock: Clock, stack: contextlib.AsyncExitStack) -> Base:
    """Return the base, connected to the stores that are up."""
    base = Base(settings, clock, stack)
    base.on_close(base.postgres.close)
    await base.start(base.redis)
    watch = base.counters.add_gauge
    watch("redis_up", "1 while commands to Redis have a chance.", lambda: int(base.redis.up))
    help_text = "99th percentile of the wait for a PostgreSQL connection, over the last thousand calls."
    watch("postgres_wait_p99_seconds", help_text, lambda: round(base.postgres.wait_p99, 6))
    for name, memory in (("body", base.body_memory), ("answer", base.answer_memory)):
        watch(f"{name}_memory_bytes", f"Memory that calls in progress hold for each {name}.", partial(_used, memory))
        watch(f"{name}_memory_waiting", "Calls that wait for that memory.", partial(_waiting, memory))
    await base.start(base.workers)
    return base


def known_models(settings: Settings) -> frozenset[str]:
    """Return the model names that metrics may show."""
    listed = (name for model in price_list.load(settings.metering.price_file).models for name in model.equals)
    return configured_models(settings).union(listed)


def model_labels(settings: Settings) -> ModelNames:
    """Return the names that the metrics of calls may show."""
    return ModelNames(configured_models(settings), known_models(settings), max_listed=settings.metrics.max_models)


def configured_models(settings: Settings) -> frozenset[str]:
    """Return the model names that the configuration has."""
    routed = (target.model for route in settings.routes.values() for target in route.targets if target.model)
    deployed = (model for provider in settings.providers.values() for model in provider.deployments)
    named = (*settings.routes, *settings.models.allowed, *settings.metering.prices)
    return frozenset((*routed, *deployed, *named))


def _call_metrics(settings: Settings) -> CallMetrics | None:
    return CallMetrics(settings.metrics, model_labels(settings)) if settings.metrics.enabled else None


def _body_memory(settings: Settings) -> CallMemory:
    return CallMemory(settings.server.body_memory, wait_seconds=settings.server.memory_wait_seconds)


def _answer_memory(settings: Settings) -> CallMemory:
    return CallMemory(
        settings.server.answer_memory_bytes,
        wait_seconds=settings.server.memory_wait_seconds,
        make_error=AnswerMemoryExceeded,
    )


def _used(memory: CallMemory) -> float:
    return memory.used_bytes


def _waiting(memory: CallMemory) -> float:
    return memory.waiting


def _postgres(settings: Settings, tell: EventSink) -> Postgres:
    assert settings.database_url is not None  # noqa: S101  # `build` refused otherwise
    url, database = settings.database_url.get_secret_value(), settings.database
    outages = OutageLog("postgres", time.monotonic, shared_folder=settings.monitoring.workers_dir)
    return Postgres(url, size=database.pool_size, timeout=database.timeout_seconds, on_event=tell, outages=outages)


def _redis(settings: Settings, clock: Clock, tell: EventSink) -> RedisLink:
    assert settings.redis_url is not None  # noqa: S101  # `build` refused otherwise
    url, timeout = settings.redis_url.get_secret_value(), settings.redis.timeout_seconds
    prefix, ca_file = settings.redis.prefix, settings.redis.ca_file
    shared = settings.monitoring.workers_dir
    outages = OutageLog("redis", clock.monotonic, confirm_seconds=0.0, shared_folder=shared)
    return RedisLink(url, timeout=timeout, clock=clock, on_event=tell, prefix=prefix, ca_file=ca_file, outages=outages)

"""Boards for tests: replicas on one Redis, each with a clock the test holds."""

import contextlib
from collections.abc import AsyncIterator

from tidegate.core.clock import Clock
from tidegate.core.config import BreakerConfig
from tidegate.routing.health.registry import HealthRegistry
from tidegate.routing.health.store import HealthStore
from tidegate.storage.redis import RedisLink


@contextlib.asynccontextmanager
async def registry_on(link: RedisLink, prefix: str, clock: Clock, **config: float) -> AsyncIterator[HealthRegistry]:
    """A replica's board."""
    board = HealthRegistry(HealthStore(link, prefix=prefix), BreakerConfig(**config), clock=clock)
    await board.start()
    yield board
    await board.close()


def registry_alone(clock: Clock, **config: float) -> HealthRegistry:
    """The board of a process whose Redis is away."""
    away = RedisLink("redis://127.0.0.1:1", timeout=1.0, clock=clock)
    return HealthRegistry(HealthStore(away, prefix="unused"), BreakerConfig(**config), clock=clock)

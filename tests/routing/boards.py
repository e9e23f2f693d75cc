"""Boards for tests: replicas on one Redis, each with a clock the test holds."""

import contextlib
from collections.abc import AsyncIterator

from tidegate.core.clock import Clock
from tidegate.core.config import BreakerConfig
from tidegate.routing.health.registry import Board
from tidegate.routing.health.store import StandingStore
from tidegate.storage.redis import RedisLink


@contextlib.asynccontextmanager
async def board_on(link: RedisLink, prefix: str, clock: Clock, **config: float) -> AsyncIterator[Board]:
    """A replica's board."""
    board = Board(StandingStore(link, prefix=prefix), BreakerConfig(**config), clock=clock)
    await board.start()
    yield board
    await board.close()


def board_alone(clock: Clock, **config: float) -> Board:
    """The board of a process whose Redis is away."""
    away = RedisLink("redis://127.0.0.1:1", timeout=1.0, clock=clock)
    return Board(StandingStore(away, prefix="unused"), BreakerConfig(**config), clock=clock)

"""A world for each test, and the gateway most of them need."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Gateway, World
from tidegate.core import logs
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls


@pytest.fixture(autouse=True)
def product_logs() -> None:
    """Lines as the product writes them; the library's own colourful ones take their time."""
    logs.configure("info")


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with world.gateway() as gateway:
        yield gateway

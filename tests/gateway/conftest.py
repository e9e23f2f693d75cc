"""Stores, simulator and gateway for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Gateway, World
from tidegate.core import logs
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls


@pytest.fixture(autouse=True)
def product_logs() -> None:
    """Log as the product does; the library's default with colours is slow."""
    logs.configure("info")


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with world.gateway() as gateway:
        yield gateway

"""Stores and simulator for the tests that need a running gateway."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import World
from tidegate.core import logs
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    logs.configure("info")
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world

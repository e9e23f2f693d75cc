"""A World of its own for the cases of one table: an empty ledger, and a prefix that no other table has."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from tests.harness import World
from tidegate.storage.embedded import StoreUrls

NO_UPSTREAM = "http://127.0.0.1:9/v1"
"""Each case names its own."""


@contextlib.asynccontextmanager
async def fresh_world(database_url: str, redis_url: str, redis_prefix: str, name: str) -> AsyncIterator[World]:
    """Yield a World for the table called `name`."""
    stores = StoreUrls(database_url=database_url, redis_url=redis_url)
    with tempfile.TemporaryDirectory(prefix=f"tidegate-{name}-") as folder:
        async with World(stores, f"{redis_prefix}-{name}", NO_UPSTREAM, Path(folder)) as world:
            await world.clear_ledger()
            yield world

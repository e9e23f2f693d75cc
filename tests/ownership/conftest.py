"""A store of objects with two projects."""

import pytest

from tidegate.core.clock import ManualClock
from tidegate.ownership.object_store import ObjectStore
from tidegate.storage.postgres import Postgres


@pytest.fixture
async def store(postgres: Postgres, clock: ManualClock) -> ObjectStore:
    async with postgres.connection() as connection:
        await connection.execute("INSERT INTO projects (id, retention_days) VALUES ('shop', 10), ('bank', NULL)")
    return ObjectStore(postgres, clock)

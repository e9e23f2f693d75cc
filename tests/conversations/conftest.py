"""Stores of conversations on a real PostgreSQL, with the projects `shop` and `bank`."""

import pytest

from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.clock import ManualClock
from tidegate.storage.postgres import Postgres


@pytest.fixture
async def store_base(postgres: Postgres, clock: ManualClock) -> StoreBase:
    async with postgres.connection() as connection:
        await connection.execute("INSERT INTO projects (id) VALUES ('shop'), ('bank') ON CONFLICT DO NOTHING")
    return StoreBase(postgres, clock)


@pytest.fixture
def conversations(store_base: StoreBase) -> ConversationStore:
    return ConversationStore(store_base)


@pytest.fixture
def responses(store_base: StoreBase) -> ResponseStore:
    return ResponseStore(store_base)


@pytest.fixture
def completions(store_base: StoreBase) -> CompletionStore:
    return CompletionStore(store_base)

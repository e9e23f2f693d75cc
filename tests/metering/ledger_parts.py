"""Ledger entries and helpers for the ledger's tests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tests.eventually import PATIENCE_SECONDS
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.metering.ledger.drainer import DrainIntervals
from tidegate.storage.postgres import Postgres

SHORT_INTERVALS = DrainIntervals(
    gather=0.01, block=0.05, claim_idle=0.05, chores=0.05, replay=0.05, first_retry=0.02, last_retry=0.1
)
"""The drainer's intervals, shortened for tests."""

ENTRY = LedgerEntry(
    id="req_1",
    at=1_790_000_000.25,
    project="acme",
    key_id="key_1",
    end_user="ada",
    route="chat",
    model="gpt-4o-mini",
    outcome="ok",
    cache="miss",
    stream=False,
    input_tokens=10,
    output_tokens=5,
    cost_nanos=4_500,
)


def entry(number: int, **changes: Any) -> LedgerEntry:
    """Return the entry of the request `number`."""
    return msgspec.structs.replace(ENTRY, id=f"req_{number}", **changes)


async def ids(postgres: Postgres) -> list[str]:
    """Return all ids in the ledger."""
    async with postgres.connection() as connection:
        return sorted(row["id"] for row in await connection.fetch("SELECT id FROM ledger"))


async def wait_until_async(holds: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Return once `holds()` is true; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  # the stores announce nothing
            await asyncio.sleep(0.01)

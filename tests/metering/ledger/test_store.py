"""A batch is one statement, each call is written once, and failures of PostgreSQL itself reject nothing."""

from datetime import UTC, datetime

import pytest

from tests.metering.ledger_parts import ENTRY, entry, ids
from tidegate.core.errors import PostgresUnavailable
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.storage.postgres import Postgres

FULL = LedgerEntry(
    id="req_full",
    at=1_790_000_000.25,
    project="acme",
    key_id="key_1",
    end_user="Zoë 🦊",
    route="responses",
    model="gpt-5",
    served_model="gpt-5-2025-08-07",
    provider="openai",
    outcome="idle_timeout",
    cache="joined",
    stream=True,
    input_tokens=1,
    cached_tokens=2,
    output_tokens=3,
    reasoning_tokens=4,
    estimated=True,
    cost_nanos=2**62,
    saved_nanos=6,
    latency_ms=7,
    first_byte_ms=8,
    upstream_request_id="req_upstream",
)


async def rejected(postgres: Postgres) -> int:
    async with postgres.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM ledger_rejected"))


@pytest.mark.parametrize("given", [FULL, ENTRY])
async def test_each_field_arrives_in_its_column(postgres: Postgres, given: LedgerEntry) -> None:
    await LedgerStore(postgres).write([encode(given)])

    async with postgres.connection() as connection:
        result = dict(await connection.fetchrow("SELECT * FROM ledger") or {})
    assert result.pop("at") == datetime.fromtimestamp(given.at, UTC)
    assert result == {name: getattr(given, name) for name in given.__struct_fields__ if name != "at"}


async def test_an_entry_written_twice_counts_once(postgres: Postgres) -> None:
    store = LedgerStore(postgres)

    await store.write([encode(entry(1)), encode(entry(2)), encode(entry(1))])
    await store.write([encode(entry(1, cost_nanos=99)), encode(entry(3))])
    await store.write([])

    assert await ids(postgres) == ["req_1", "req_2", "req_3"]
    assert await rejected(postgres) == 0


async def test_an_entry_of_an_older_version_lacks_a_counter_and_is_written(postgres: Postgres) -> None:
    older = encode(ENTRY).replace(b'"saved_nanos":0,', b"").replace(b'"estimated":false,', b"")

    await LedgerStore(postgres).write([older])

    assert await ids(postgres) == ["req_1"]


async def test_a_rejected_entry_is_kept_once_however_often_it_comes(postgres: Postgres) -> None:
    store = LedgerStore(postgres)

    for _ in range(2):
        await store.write([encode(entry(1)), b"nonsense \0 \xff"])

    assert await ids(postgres) == ["req_1"]
    assert await rejected(postgres) == 1


async def test_a_table_that_is_missing_rejects_nothing(postgres: Postgres) -> None:
    store = LedgerStore(postgres)
    async with postgres.connection() as connection:
        await connection.execute("ALTER TABLE ledger RENAME TO elsewhere")
    try:
        with pytest.raises(PostgresUnavailable, match="does not exist"):
            await store.write([encode(ENTRY)])
    finally:
        async with postgres.connection() as connection:
            await connection.execute("ALTER TABLE elsewhere RENAME TO ledger")

    await store.write([encode(ENTRY)])
    assert await ids(postgres) == ["req_1"]
    assert await rejected(postgres) == 0


async def test_a_server_that_is_away_is_a_typed_error() -> None:
    away = Postgres("postgresql://nobody@127.0.0.1:1/nothing", size=1, timeout=1.0)

    with pytest.raises(PostgresUnavailable):
        await LedgerStore(away).ping()
    with pytest.raises(PostgresUnavailable):
        await LedgerStore(away).write([encode(ENTRY)])
    await away.close()

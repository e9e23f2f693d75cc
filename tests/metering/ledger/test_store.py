"""A batch is one statement, each call is written once, and failures of PostgreSQL itself reject nothing."""

from datetime import UTC, datetime
from typing import Any

import msgspec
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
    tags={"tenant": "Zoë 🦊"},
)


async def rejected(postgres: Postgres) -> int:
    async with postgres.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM ledger_rejected"))


async def columns(postgres: Postgres, *names: str) -> list[tuple[Any, ...]]:
    """Return these columns of all entries."""
    async with postgres.connection() as connection:
        return [tuple(row) for row in await connection.fetch(f"SELECT {', '.join(names)} FROM ledger")]  # noqa: S608  # names of this file


@pytest.mark.parametrize("given", [FULL, ENTRY])
async def test_each_field_arrives_in_its_column(postgres: Postgres, given: LedgerEntry) -> None:
    await LedgerStore(postgres).write([encode(given)])

    async with postgres.connection() as connection:
        result = dict(await connection.fetchrow("SELECT * FROM ledger") or {})
    tags = result.pop("tags")
    assert (tags and msgspec.json.decode(tags)) == given.tags
    assert result.pop("at") == datetime.fromtimestamp(given.at, UTC)
    assert result == {name: getattr(given, name) for name in given.__struct_fields__ if name not in ("at", "tags")}


async def test_an_entry_written_twice_counts_once(postgres: Postgres) -> None:
    store = LedgerStore(postgres)

    await store.write([encode(entry(1)), encode(entry(2)), encode(entry(1))])
    await store.write([encode(entry(1, cost_nanos=99)), encode(entry(3))])
    await store.write([])

    assert await ids(postgres) == ["req_1", "req_2", "req_3"]
    assert await rejected(postgres) == 0


HIT = entry(1, cache="hit", input_tokens=0, output_tokens=0, cost_nanos=0, saved_nanos=4_500)
PAID = entry(1, attempts=1, latency_ms=9)
LOST = entry(1, outcome="lost", estimated=True, cost_nanos=9_000)


@pytest.mark.parametrize(
    "batches", [[[HIT, PAID]], [[PAID, HIT]], [[HIT], [PAID]], [[PAID], [HIT]], [[HIT], [LOST], [PAID]]]
)
async def test_what_was_asked_replaces_the_hit_whose_reply_came_too_late(
    postgres: Postgres, batches: list[list[LedgerEntry]]
) -> None:
    for batch in batches:
        await LedgerStore(postgres).write([encode(one) for one in batch])

    assert await columns(postgres, "cache", "outcome", "cost_nanos", "saved_nanos", "output_tokens", "latency_ms") == [
        ("miss", "ok", 4_500, 0, 5, 9)
    ]


async def test_a_hit_and_a_lost_call_stay_where_there_is_nothing_better(postgres: Postgres) -> None:
    await LedgerStore(postgres).write([encode(HIT), encode(HIT)])
    assert await columns(postgres, "cache", "saved_nanos") == [("hit", 4_500)]

    await LedgerStore(postgres).write([encode(LOST)])
    await LedgerStore(postgres).write([encode(HIT)])
    assert await columns(postgres, "cache", "outcome", "cost_nanos") == [("miss", "lost", 9_000)]


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

"""An end user's name is removed from the ledger, and the end user's entries still share one name."""

import msgspec
import pytest

from tests.metering.ledger_parts import entry
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.erasure import LedgerEraser
from tidegate.metering.ledger.store import LedgerStore
from tidegate.storage.postgres import Postgres

BAD = b'{"id":"req_x","project":"acme","end_user":"ada","at":"never"}'


@pytest.fixture
async def eraser(postgres: Postgres) -> LedgerEraser:
    lines = [entry(1), entry(2), entry(3, end_user="bob"), entry(4, project="bank"), entry(5, end_user=None)]
    await LedgerStore(postgres).write([*map(encode, lines), BAD])
    return LedgerEraser(postgres, lambda prefix: f"{prefix}1")


async def users(postgres: Postgres) -> list[tuple[str, str | None]]:
    """Return the end users by request."""
    async with postgres.connection() as connection:
        rows = await connection.fetch("SELECT id, end_user FROM ledger ORDER BY id")
        return [(row["id"], row["end_user"]) for row in rows]


async def test_a_tag_with_the_users_name_loses_it(eraser: LedgerEraser, postgres: Postgres) -> None:
    tagged = entry(6, tags={"tenant": "acme", "person": "ada"})
    broken = encode(entry(7, tags={"person": "ada"})).replace(b'"at":1', b'"at":"never"')
    await LedgerStore(postgres).write([encode(tagged), broken])
    await eraser.erase("acme", "ada")
    async with postgres.connection() as connection:
        tags = await connection.fetchval("SELECT tags FROM ledger WHERE id = 'req_6'")
        rejected = await connection.fetchval("SELECT string_agg(entry, '') FROM ledger_rejected")
    assert msgspec.json.decode(tags) == {"tenant": "acme", "person": "forgotten_1"}
    assert '"ada"' not in rejected


async def test_one_projects_lines_of_one_user_get_one_new_name(eraser: LedgerEraser, postgres: Postgres) -> None:
    assert await eraser.count("acme", "ada") == {"ledger_lines": 2}
    assert await eraser.erase("acme", "ada") == {"ledger_lines": 2}
    assert await users(postgres) == [
        ("req_1", "forgotten_1"),
        ("req_2", "forgotten_1"),
        ("req_3", "bob"),
        ("req_4", "ada"),
        ("req_5", None),
    ]
    assert await eraser.count("acme", "ada") == {"ledger_lines": 0}
    async with postgres.connection() as connection:
        spent = await connection.fetchval("SELECT sum(cost_nanos) FROM ledger WHERE end_user = 'forgotten_1'")
        kept = await connection.fetchval("SELECT entry FROM ledger_rejected")
    assert spent == 2 * entry(1).cost_nanos
    assert kept == BAD.decode().replace('"ada"', '"forgotten_1"')

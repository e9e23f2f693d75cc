"""An act has its line before it is done and its end afterwards; PostgreSQL refuses to change or delete either."""

import asyncio

import asyncpg
import pytest

from tidegate.audit.act import AuditAct, AuditActor, AuditOutcome
from tidegate.audit.log import AuditLog
from tidegate.audit.store import AuditFilter, AuditStore
from tidegate.core.clock import ManualClock
from tidegate.core.errors import ApiKeyNotFound, PostgresUnavailable
from tidegate.storage.postgres import Postgres

ADA = AuditActor(kind="key", id="key_ada", name="ada", address="10.0.0.1")
REVOKE = AuditAct(action="keys.revoke", parameters={"key_id": "key_9"})
EXPORT = AuditAct(action="conversations.export", parameters={"project": "shop"}, reads_conversations=True)


@pytest.fixture
def store(postgres: Postgres) -> AuditStore:
    return AuditStore(postgres)


async def test_the_line_is_there_before_the_act_is_done(store: AuditStore, clock: ManualClock) -> None:
    async with AuditLog(store, clock).record(ADA, REVOKE) as doing:
        (during,) = await store.read(AuditFilter())
        doing.result = "key_10"
    (after,) = await store.read(AuditFilter())
    assert (during.actor, during.act, during.at, during.outcome) == (ADA, REVOKE, clock.now(), AuditOutcome.UNKNOWN)
    assert (after.outcome, after.error, after.result) == (AuditOutcome.DONE, None, "key_10")


@pytest.mark.parametrize(
    ("error", "outcome", "name"),
    [
        (ApiKeyNotFound(), AuditOutcome.REFUSED, "api_key_not_found"),
        (PostgresUnavailable(), AuditOutcome.FAILED, "postgres_unavailable"),
        (ValueError("x"), AuditOutcome.FAILED, "ValueError"),
        (asyncio.CancelledError(), AuditOutcome.FAILED, "CancelledError"),
    ],
)
async def test_an_act_that_is_not_done_says_why(
    store: AuditStore, clock: ManualClock, error: BaseException, outcome: AuditOutcome, name: str
) -> None:
    with pytest.raises(type(error)):
        async with AuditLog(store, clock).record(ADA, REVOKE):
            raise error
    (entry,) = await store.read(AuditFilter())
    assert (entry.outcome, entry.error) == (outcome, name)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (AuditFilter(), 3),
        (AuditFilter(actor="key_ada"), 3),
        (AuditFilter(actor="ada"), 3),
        (AuditFilter(actor="ad"), 0),
        (AuditFilter(action="keys"), 2),
        (AuditFilter(action="keys.revoke"), 2),
        (AuditFilter(action="conversations.search"), 0),
        (AuditFilter(about="shop"), 1),
        (AuditFilter(about="key_9"), 2),
        (AuditFilter(outcome=AuditOutcome.UNKNOWN), 0),
        (AuditFilter(since=1_790_000_060.0), 2),
        (AuditFilter(until=1_790_000_060.0), 1),
        (AuditFilter(limit=2), 2),
    ],
)
async def test_lines_are_found(store: AuditStore, clock: ManualClock, wanted: AuditFilter, count: int) -> None:
    for act in (REVOKE, EXPORT, REVOKE):
        async with AuditLog(store, clock).record(ADA, act):
            clock.advance(60)
    assert len(await store.read(wanted)) == count


@pytest.mark.parametrize("table", ["audit_lines", "audit_outcomes"])
@pytest.mark.parametrize("change", ["UPDATE {} SET at = now()", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_the_database_refuses_to_change_a_line(
    store: AuditStore, postgres: Postgres, clock: ManualClock, table: str, change: str
) -> None:
    async with AuditLog(store, clock).record(ADA, REVOKE):
        pass
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added"):
        async with postgres.connection() as connection:
            await connection.execute(change.format(table))
    (entry,) = await store.read(AuditFilter())
    assert (entry.at, entry.outcome) == (clock.now(), AuditOutcome.DONE)


async def test_without_postgresql_an_act_is_done_and_a_conversation_is_not_read(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Postgres("postgresql://127.0.0.1:1/tidegate", size=1, timeout=1)
    audit, done = AuditLog(AuditStore(away), clock), []
    async with audit.record(ADA, REVOKE):
        done.append("revoked")
    with pytest.raises(PostgresUnavailable):
        async with audit.record(ADA, EXPORT):
            done.append("read")
    await away.close()
    assert done == ["revoked"]
    logged = capsys.readouterr()
    assert "keys.revoke" in logged.out + logged.err
    assert "key_9" in logged.out + logged.err

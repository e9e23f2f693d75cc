"""Keys in PostgreSQL: shown once, kept as a hash, ended for good, and every change announced in Redis."""

import asyncio

import msgspec
import pytest

from tidegate.admission import key_format
from tidegate.admission.key_store import KeyStore
from tidegate.connections.postgres import Postgres
from tidegate.connections.redis import RedisLink
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.errors import PostgresUnavailable
from tidegate.core.values import Caller


@pytest.fixture
def store(postgres: Postgres, redis_link: RedisLink, clock: ManualClock, redis_prefix: str) -> KeyStore:
    return KeyStore(postgres, redis_link, clock=clock, prefix=redis_prefix)


async def test_a_new_key_is_found_by_its_digest(store: KeyStore, clock: ManualClock) -> None:
    made = await store.create(project="shop", name="web", expires_at=clock.now() + 60)
    found = await store.find([key_format.digest(made.token), b"x" * 32])
    standing = found.pop(key_format.digest(made.token))
    assert found == {}
    assert not standing.revoked
    assert standing.caller == Caller(key_id=made.record.id, project="shop", name="web", expires_at=clock.now() + 60)


async def test_the_list_shows_hints_and_states_oldest_first(store: KeyStore, clock: ManualClock) -> None:
    assert await store.list() == []
    first = await store.create(project="shop", expires_at=clock.now() + 60)
    clock.advance(1)
    second = await store.create(project="shop")
    clock.advance(1)
    third = await store.create(project="bank")
    await store.revoke(second.record.id)
    clock.advance(100)
    records = await store.list()
    assert [record.id for record in records] == [key.record.id for key in (first, second, third)]
    assert [record.state(clock.now()) for record in records] == ["expired", "revoked", "active"]
    assert [record.hint for record in await store.list("bank")] == [third.token[-4:]]
    assert await store.list("nobody") == []


async def test_a_key_ends_once_and_stays_ended(store: KeyStore, clock: ManualClock) -> None:
    made = await store.create(project="shop")
    ended = clock.now()
    assert await store.revoke(made.record.id) is True
    clock.advance(5)
    assert await store.revoke(made.record.id) is True
    assert [record.revoked_at for record in await store.list()] == [ended]
    assert (await store.find([key_format.digest(made.token)])).popitem()[1].revoked
    assert await store.revoke("key_unknown") is None


async def test_every_change_moves_the_epoch(store: KeyStore) -> None:
    before = await store.epoch()
    made = await store.create(project="shop")
    between = await store.epoch()
    await store.revoke(made.record.id)
    assert before < between < await store.epoch()


async def test_whether_a_key_was_ever_made_is_known(store: KeyStore) -> None:
    assert not await store.any_exists()
    made = await store.create(project="shop")
    await store.revoke(made.record.id)
    assert await store.any_exists()


async def test_the_token_is_nowhere_but_in_the_answer(store: KeyStore, postgres: Postgres) -> None:
    made = await store.create(project="shop", name="web")
    async with postgres.connection() as connection:
        rows = await connection.fetch(
            "SELECT keys::text AS row FROM keys UNION ALL SELECT projects::text FROM projects"
        )
    shown = [repr(made), str(made), repr(await store.list()), *(row["row"] for row in rows)]
    secret = made.token[6:49]
    assert not [text for text in shown if secret in text]
    assert secret not in msgspec.json.encode(made.record).decode()


async def test_without_redis_a_change_is_made_and_said_to_be_unannounced(postgres: Postgres) -> None:
    nowhere = RedisLink("redis://127.0.0.1:4458", timeout=0.1, clock=SystemClock())
    store = KeyStore(postgres, nowhere, clock=SystemClock(), prefix="unused")
    made = await store.create(project="shop")
    assert not made.announced
    assert await store.revoke(made.record.id) is False
    assert [record.state(0) for record in await store.list()] == ["revoked"]


async def test_without_postgres_everything_says_so(redis_link: RedisLink) -> None:
    nowhere = Postgres("postgresql://nobody@127.0.0.1:4459/none", size=1, timeout=1.0)
    store = KeyStore(nowhere, redis_link, clock=SystemClock(), prefix="unused")
    attempts = [store.create(project="p"), store.list(), store.revoke("k"), store.find([b""]), store.any_exists()]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {PostgresUnavailable}
    await nowhere.close()

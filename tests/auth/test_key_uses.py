"""The last use of each secret is noted: in batches, seldom written, and never in the way of a call."""

from collections.abc import AsyncIterator

import pytest

from tests.eventually import wait_until_async
from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.key_rotation import KeyRotation
from tidegate.auth.key_store import KeyRecord, KeyStore
from tidegate.auth.key_uses import KeyUses
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.errors import PostgresUnavailable, ReplacedApiKey
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink


@pytest.fixture
def store(postgres: Postgres, redis_link: RedisLink, clock: ManualClock, redis_prefix: str) -> KeyStore:
    return KeyStore(postgres, redis_link, clock=clock, prefix=redis_prefix)


@pytest.fixture
def uses(postgres: Postgres, clock: ManualClock) -> KeyUses:
    return KeyUses(postgres, clock)


@pytest.fixture
async def key_cache(store: KeyStore, uses: KeyUses, clock: ManualClock) -> AsyncIterator[ApiKeyCache]:
    key_cache = ApiKeyCache(store, clock, sent=uses.sent)
    await key_cache.start()
    yield key_cache
    await key_cache.close()


async def record_of(store: KeyStore, key_id: str) -> KeyRecord:
    record = await store.get(key_id)
    assert record is not None
    return record


async def until_replaced(key_cache: ApiKeyCache, token: str) -> None:
    """Wait until the key is rejected because a rotation replaced it."""

    async def met() -> bool:
        try:
            await key_cache.authenticate(token)
        except ReplacedApiKey:
            return True
        return False

    await wait_until_async(met)


async def row_version(postgres: Postgres) -> str:
    """Return what changes when a row of the table is written or locked."""
    async with postgres.connection() as connection:
        return str(await connection.fetch("SELECT hash, xmin, xmax, ctid FROM secret_uses ORDER BY hash"))


async def test_the_last_use_of_each_secret_is_known_to_within_a_minute(
    store: KeyStore,
    uses: KeyUses,
    key_cache: ApiKeyCache,
    postgres: Postgres,
    redis_link: RedisLink,
    redis_prefix: str,
    clock: ManualClock,
) -> None:
    rotation = KeyRotation(postgres, redis_link, store, clock=clock, prefix=redis_prefix)
    old = await store.create(project="shop")
    await uses.write()
    assert (await record_of(store, old.record.id)).last_used_at is None

    await key_cache.authenticate(old.token)
    await uses.write()
    first = clock.now()
    assert (await record_of(store, old.record.id)).last_used_at == first

    new = await rotation.rotate(old.record.id, overlap=3600)
    clock.advance(60)
    assert await key_cache.caller(f"Bearer {new.token}") is not None
    await uses.write()
    record = await record_of(store, old.record.id)
    assert record.replaced is not None
    assert (record.last_used_at, record.replaced.last_used_at) == (clock.now(), first)

    clock.advance(3600)
    await until_replaced(key_cache, old.token)
    await uses.write()
    record = await record_of(store, old.record.id)
    assert record.replaced is not None
    assert record.replaced.last_used_at == clock.now(), "a client that still sends it is seen"


async def test_a_thousand_calls_make_one_write_and_no_more_within_half_a_minute(
    store: KeyStore, uses: KeyUses, key_cache: ApiKeyCache, postgres: Postgres, clock: ManualClock
) -> None:
    made = [await store.create(project="shop") for _ in range(3)]
    for one in made:
        await key_cache.authenticate(one.token)
    for _ in range(1000):
        assert all(key_cache.cached(one.token) for one in made)
    assert len(uses.sent) == 3
    await uses.write()
    assert uses.sent == {}
    before = await row_version(postgres)

    clock.advance(29)
    key_cache.cached(made[0].token)
    await KeyUses(postgres, clock).write()
    await uses.write()
    assert await row_version(postgres) == before, "neither written nor locked"
    clock.advance(2)
    key_cache.cached(made[0].token)
    await uses.write()
    assert await row_version(postgres) != before


async def test_a_key_that_is_refused_is_not_used(store: KeyStore, uses: KeyUses, key_cache: ApiKeyCache) -> None:
    made = await store.create(project="shop")
    await store.revoke(made.record.id)
    for token in (made.token, "sk-tg-wrong"):
        assert key_cache.cached(token) is None
    assert uses.sent == {}


async def test_what_cannot_be_written_is_written_later(clock: ManualClock) -> None:
    away = Postgres("postgresql://127.0.0.1:1/none", size=1, timeout=0.2)
    uses = KeyUses(away, clock)
    uses.sent[b"x" * 32] = None
    with pytest.raises(PostgresUnavailable):
        await uses.write()
    assert len(uses.sent) == 1
    await uses.close()
    await away.close()


async def test_the_task_writes_by_itself_and_at_its_end(store: KeyStore, postgres: Postgres) -> None:
    clock = SystemClock()
    uses = KeyUses(postgres, clock, every=0.01)
    cache = ApiKeyCache(store, clock, sent=uses.sent)
    first, second = await store.create(project="shop"), await store.create(project="shop")
    await uses.start()
    await cache.authenticate(first.token)

    async def written() -> bool:
        return (await record_of(store, first.record.id)).last_used_at is not None

    await wait_until_async(written)
    await uses.close()

    late = KeyUses(postgres, clock, every=3600)
    await late.start()
    await ApiKeyCache(store, clock, sent=late.sent).authenticate(second.token)
    await late.close()
    assert (await record_of(store, second.record.id)).last_used_at is not None

"""A key is looked up once and then cached; changes are noticed; no store that is away locks a valid key out."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until, wait_until_async
from tests.injected_faults import Fault, task_log_levels
from tidegate.auth import key_format
from tidegate.auth.admin_key import ADMIN_CALLER
from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange
from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.key_store import STALE_SECONDS, KeyStatus, KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.errors import (
    AdminKeyNotAllowed,
    AdminKeyRequired,
    ExpiredApiKey,
    InvalidApiKey,
    MissingApiKey,
    PostgresUnavailable,
    RevokedApiKey,
    TidegateError,
)
from tidegate.core.values import Caller, Limits, Priority
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

MADE_UP = key_format.generate(b"\x07".__mul__)


class CountingStore(KeyStore):
    """The real store; it counts its queries, and a test can delay them."""

    queries = 0
    held: asyncio.Event | None = None
    fault = Fault()

    async def epoch(self) -> int:
        self.fault.trip()
        return await super().epoch()

    async def read_statuses(self, digests: Collection[bytes]) -> dict[bytes, KeyStatus]:
        self.queries += 1
        found = await super().read_statuses(digests)
        if self.held is not None:
            await self.held.wait()
        return found


@pytest.fixture
def store(postgres: Postgres, redis_link: RedisLink, clock: ManualClock, redis_prefix: str) -> CountingStore:
    return CountingStore(postgres, redis_link, clock=clock, prefix=redis_prefix)


@pytest.fixture
async def key_cache(store: CountingStore, clock: ManualClock) -> AsyncIterator[ApiKeyCache]:
    key_cache = ApiKeyCache(store, clock, size=3)
    await key_cache.start()
    yield key_cache
    await key_cache.close()


@pytest.fixture
def projects(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> ProjectStore:
    return ProjectStore(postgres, redis_link, prefix=redis_prefix)


async def refusal(key_cache: ApiKeyCache, token: str) -> type[TidegateError] | None:
    try:
        await key_cache.authenticate(token)
    except TidegateError as error:
        return type(error)
    return None


def cached_caller(key_cache: ApiKeyCache, token: str) -> Caller:
    """Return the cached caller."""
    caller = key_cache.cached(token)
    assert caller is not None
    return caller


async def until_refused_with(key_cache: ApiKeyCache, token: str, expected: type[TidegateError] | None) -> None:
    """Wait until the key is rejected with this error, or accepted; with a manual clock no time passes."""

    async def met() -> bool:
        return await refusal(key_cache, token) is expected

    await wait_until_async(met)


async def test_a_key_is_looked_up_once_and_then_known(key_cache: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop", name="web")
    assert key_cache.cached(made.token) is None
    caller = await key_cache.authenticate(made.token)
    assert (caller.project, caller.name, caller.key_id) == ("shop", "web", made.record.id)
    assert key_cache.cached(made.token) == caller == await key_cache.authenticate(made.token)
    assert store.queries == 1


@pytest.mark.parametrize("wrong", ["", "sk-tg-", "sk-proj-abc", MADE_UP[:-1] + "!", "Bearer " + MADE_UP])
async def test_a_text_that_cannot_be_a_key_causes_no_query(
    key_cache: ApiKeyCache, store: CountingStore, wrong: str
) -> None:
    assert key_cache.cached(wrong) is None
    assert await refusal(key_cache, wrong) is InvalidApiKey
    assert store.queries == 0


async def test_an_unknown_key_is_looked_up_once(key_cache: ApiKeyCache, store: CountingStore) -> None:
    assert [await refusal(key_cache, MADE_UP) for _ in range(3)] == [InvalidApiKey] * 3
    assert store.queries == 1


async def test_a_hundred_callers_with_one_new_key_share_one_query(key_cache: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop")
    callers = await asyncio.gather(*(key_cache.authenticate(made.token) for _ in range(100)))
    assert {caller.key_id for caller in callers} == {made.record.id}
    assert store.queries in {1, 2}  # the change is noticed in the background; a query that it met is made again


async def test_a_disconnect_of_the_first_leaves_the_others_served(key_cache: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop")
    store.held = asyncio.Event()
    first, second = (asyncio.create_task(key_cache.authenticate(made.token)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    store.held.set()
    assert (await second).project == "shop"
    assert first.cancelled()


async def test_a_key_expires_at_its_second(key_cache: ApiKeyCache, store: CountingStore, clock: ManualClock) -> None:
    made = await store.create(project="shop", expires_at=clock.now() + 10)
    await key_cache.authenticate(made.token)
    clock.advance(9.9)
    assert key_cache.cached(made.token) is not None
    clock.advance(0.1)
    assert key_cache.cached(made.token) is None
    assert await refusal(key_cache, made.token) is ExpiredApiKey


async def test_a_revoked_key_never_seen_before_is_called_revoked(key_cache: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop")
    await store.revoke(made.record.id)
    assert await refusal(key_cache, made.token) is RevokedApiKey
    assert key_cache.cached(made.token) is None


async def test_every_process_notices_a_revocation(
    key_cache: ApiKeyCache, store: CountingStore, clock: ManualClock
) -> None:
    other = ApiKeyCache(store, clock)
    await other.start()
    made, kept = await store.create(project="shop"), await store.create(project="shop")
    for process in (key_cache, other):
        await process.authenticate(made.token)
        await process.authenticate(kept.token)
    await store.revoke(made.record.id)
    for process in (key_cache, other):
        await until_refused_with(process, made.token, RevokedApiKey)
        assert process.cached(made.token) is None
        assert process.cached(kept.token) is not None
    await other.close()


async def test_every_process_acts_on_new_limits_within_a_second(
    key_cache: ApiKeyCache, store: CountingStore, clock: ManualClock, projects: ProjectStore
) -> None:
    other = ApiKeyCache(store, clock)
    await other.start()
    made = await store.create(project="shop")
    for process in (key_cache, other):
        assert (await process.authenticate(made.token)).limits.is_unlimited

    await store.update(made.record.id, KeyChange(limits=LimitsChange(rpm=60)))
    assert (
        await wait_until(
            lambda: all(cached_caller(one, made.token).limits == Limits(rpm=60) for one in (key_cache, other))
        )
        < 1.0
    )
    change = ProjectChange(limits=LimitsChange(budget_day=5), priority=Priority.LOW)
    await projects.update("shop", change)
    assert (
        await wait_until(
            lambda: all(cached_caller(one, made.token).priority is Priority.LOW for one in (key_cache, other))
        )
        < 1.0
    )
    for process in (key_cache, other):
        assert cached_caller(process, made.token).project_limits == Limits(budget_day=5)
    await other.close()


async def test_admin_keys_and_ordinary_keys_have_different_uses(key_cache: ApiKeyCache, store: CountingStore) -> None:
    admin = f"Bearer {(await store.create(project='shop', admin=True)).token}"
    ordinary = f"Bearer {(await store.create(project='shop')).token}"
    assert (await key_cache.admin(admin)).admin
    assert not (await key_cache.caller(ordinary)).admin
    with pytest.raises(AdminKeyNotAllowed):
        await key_cache.caller(admin)
    with pytest.raises(AdminKeyRequired):
        await key_cache.admin(ordinary)
    for nobody in ("", "Basic x", "Bearer "):
        with pytest.raises(MissingApiKey):
            await key_cache.admin(nobody)


async def test_a_revocation_during_the_look_up_is_not_missed(key_cache: ApiKeyCache, store: CountingStore) -> None:
    made, known = await store.create(project="shop"), await store.create(project="shop")
    await key_cache.authenticate(known.token)
    store.held = asyncio.Event()
    asking = asyncio.create_task(key_cache.authenticate(made.token))
    await wait_until(lambda: store.queries == 2)
    await store.revoke(made.record.id)
    await wait_until(lambda: store.queries == 3)  # the watcher reads what is known anew
    store.held.set()
    with pytest.raises(RevokedApiKey):
        await asking


async def test_a_key_rejected_before_its_creation_works_soon_after_it(
    key_cache: ApiKeyCache, postgres: Postgres, redis_link: RedisLink, redis_prefix: str
) -> None:
    assert await refusal(key_cache, MADE_UP) is InvalidApiKey
    maker = KeyStore(postgres, redis_link, clock=SystemClock(), prefix=redis_prefix, random_bytes=b"\x07".__mul__)
    assert (await maker.create(project="shop")).token == MADE_UP
    await until_refused_with(key_cache, MADE_UP, None)


async def test_an_unannounced_change_is_found_after_a_minute(
    key_cache: ApiKeyCache, store: CountingStore, clock: ManualClock, postgres: Postgres
) -> None:
    made = await store.create(project="shop")
    await key_cache.authenticate(made.token)
    async with postgres.connection() as connection:
        await connection.execute("UPDATE keys SET revoked_at = now()")
    queries = store.queries
    clock.advance(STALE_SECONDS + 1)
    assert key_cache.cached(made.token) is not None, "nobody waits for a refresh"
    await until_refused_with(key_cache, made.token, RevokedApiKey)
    assert store.queries == queries + 1


async def test_a_defect_in_a_refresh_is_logged_once_and_the_next_refresh_comes(
    key_cache: ApiKeyCache, store: CountingStore
) -> None:
    made = await store.create(project="shop")
    await key_cache.authenticate(made.token)
    with capture_logs() as logs:
        store.fault.arm(times=2)
        await store.revoke(made.record.id)
        await until_refused_with(key_cache, made.token, RevokedApiKey)
        await wait_until(lambda: len(task_log_levels(logs, "api-key-refresh")) == 2)
    assert task_log_levels(logs, "api-key-refresh") == ["error", "info"]


async def test_memory_is_bounded_both_ways(key_cache: ApiKeyCache, store: CountingStore) -> None:
    made = [await store.create(project="shop") for _ in range(5)]
    for key in made:
        await key_cache.authenticate(key.token)
    for filler in range(5):
        await refusal(key_cache, key_format.generate(bytes([filler]).__mul__))
    assert repr(key_cache) == "<ApiKeyCache: 3 known, 3 unknown, 0 being looked up>"
    assert [key_cache.cached(key.token) is not None for key in made] == [False, False, True, True, True]


async def test_the_key_in_use_is_not_the_one_forgotten(key_cache: ApiKeyCache, store: CountingStore) -> None:
    made = [await store.create(project="shop") for _ in range(4)]
    for key in made[:3]:
        await key_cache.authenticate(key.token)
    key_cache.cached(made[0].token)
    await key_cache.authenticate(made[3].token)
    assert key_cache.cached(made[0].token) is not None
    assert key_cache.cached(made[1].token) is None


async def test_no_key_material_is_in_any_word_about_it(key_cache: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop")
    await key_cache.authenticate(made.token)
    with pytest.raises(InvalidApiKey) as unknown:
        await key_cache.authenticate(MADE_UP)
    words = (
        repr(key_cache) + repr(await key_cache.authenticate(made.token)) + repr(unknown.value) + unknown.value.message
    )
    assert made.token[6:20] not in words
    assert MADE_UP[6:20] not in words


async def test_stores_come_and_go_and_a_good_key_is_never_refused(own_stores: StoreUrls, own_folder: Path) -> None:
    clock = SystemClock()
    postgres = Postgres(own_stores.database_url, size=2, timeout=2.0)
    redis_link = RedisLink(own_stores.redis_url, timeout=0.5, clock=clock)
    await redis_link.start()
    store = KeyStore(postgres, redis_link, clock=clock, prefix="tidegate")
    key_cache = ApiKeyCache(store, clock)
    await key_cache.start()
    made, unseen, ended = [await store.create(project="shop") for _ in range(3)]
    await key_cache.authenticate(made.token)
    await key_cache.authenticate(ended.token)

    os.kill(int((own_folder / "redis" / "redis.pid").read_text()), signal.SIGKILL)
    await wait_until(lambda: not redis_link.up)
    assert await store.revoke(ended.record.id) is False, "nobody could be told"
    await until_refused_with(key_cache, ended.token, RevokedApiKey)
    assert key_cache.cached(made.token) is not None

    os.kill(int((own_folder / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGINT)
    await wait_until(lambda: not (own_folder / "postgres" / "postmaster.pid").exists())
    assert await refusal(key_cache, unseen.token) is PostgresUnavailable
    assert key_cache.cached(made.token) is not None
    assert await refusal(key_cache, ended.token) is RevokedApiKey

    with embedded.running(own_folder):  # both come back
        await until_refused_with(key_cache, unseen.token, None)
        await store.revoke(made.record.id)
        await until_refused_with(key_cache, made.token, RevokedApiKey)
    await key_cache.close()
    await redis_link.close()
    await postgres.close()


async def test_the_configured_admin_key_administers_and_is_looked_up_nowhere(
    store: CountingStore, clock: ManualClock
) -> None:
    admin_key = "0123456789abcdef0123456789abcdef"
    key_cache = ApiKeyCache(store, clock, admin_digest=key_format.digest(admin_key))
    assert await key_cache.admin(f"Bearer {admin_key}") is ADMIN_CALLER
    with pytest.raises(AdminKeyNotAllowed):
        await key_cache.caller(f"Bearer {admin_key}")
    with pytest.raises(InvalidApiKey):
        await key_cache.admin(f"Bearer {admin_key}0")
    assert store.queries == 0

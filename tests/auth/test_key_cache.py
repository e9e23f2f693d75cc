"""A key is looked up once and then known; changes are heard of; no absent store locks a good key out."""

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
    """The real store, counting its queries; a query under way can be held up."""

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
async def ring(store: CountingStore, clock: ManualClock) -> AsyncIterator[ApiKeyCache]:
    ring = ApiKeyCache(store, clock, size=3)
    await ring.start()
    yield ring
    await ring.close()


@pytest.fixture
def projects(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> ProjectStore:
    return ProjectStore(postgres, redis_link, prefix=redis_prefix)


async def refusal(ring: ApiKeyCache, token: str) -> type[TidegateError] | None:
    try:
        await ring.authenticate(token)
    except TidegateError as error:
        return type(error)
    return None


def cached_caller(ring: ApiKeyCache, token: str) -> Caller:
    """What this process remembers of the caller."""
    caller = ring.cached(token)
    assert caller is not None
    return caller


async def until_refused_with(ring: ApiKeyCache, token: str, expected: type[TidegateError] | None) -> None:
    """Wait until the key meets that fate; where the clock stands still, nothing happens by the passing of time."""

    async def met() -> bool:
        return await refusal(ring, token) is expected

    await wait_until_async(met)


async def test_a_key_is_looked_up_once_and_then_known(ring: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop", name="web")
    assert ring.cached(made.token) is None
    caller = await ring.authenticate(made.token)
    assert (caller.project, caller.name, caller.key_id) == ("shop", "web", made.record.id)
    assert ring.cached(made.token) == caller == await ring.authenticate(made.token)
    assert store.queries == 1


@pytest.mark.parametrize("wrong", ["", "sk-tg-", "sk-proj-abc", MADE_UP[:-1] + "!", "Bearer " + MADE_UP])
async def test_what_cannot_be_a_key_costs_no_query(ring: ApiKeyCache, store: CountingStore, wrong: str) -> None:
    assert ring.cached(wrong) is None
    assert await refusal(ring, wrong) is InvalidApiKey
    assert store.queries == 0


async def test_an_unknown_key_is_looked_up_once(ring: ApiKeyCache, store: CountingStore) -> None:
    assert [await refusal(ring, MADE_UP) for _ in range(3)] == [InvalidApiKey] * 3
    assert store.queries == 1


async def test_a_hundred_callers_with_one_new_key_share_one_query(ring: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop")
    callers = await asyncio.gather(*(ring.authenticate(made.token) for _ in range(100)))
    assert {caller.key_id for caller in callers} == {made.record.id}
    assert store.queries == 1


async def test_the_first_of_them_hanging_up_leaves_the_others_served(ring: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop")
    store.held = asyncio.Event()
    first, second = (asyncio.create_task(ring.authenticate(made.token)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    store.held.set()
    assert (await second).project == "shop"
    assert first.cancelled()


async def test_a_key_expires_at_its_second(ring: ApiKeyCache, store: CountingStore, clock: ManualClock) -> None:
    made = await store.create(project="shop", expires_at=clock.now() + 10)
    await ring.authenticate(made.token)
    clock.advance(9.9)
    assert ring.cached(made.token) is not None
    clock.advance(0.1)
    assert ring.cached(made.token) is None
    assert await refusal(ring, made.token) is ExpiredApiKey


async def test_a_revoked_key_never_seen_before_is_called_revoked(ring: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop")
    await store.revoke(made.record.id)
    assert await refusal(ring, made.token) is RevokedApiKey
    assert ring.cached(made.token) is None


async def test_every_process_hears_of_a_revocation(ring: ApiKeyCache, store: CountingStore, clock: ManualClock) -> None:
    other = ApiKeyCache(store, clock)
    await other.start()
    made, kept = await store.create(project="shop"), await store.create(project="shop")
    for process in (ring, other):
        await process.authenticate(made.token)
        await process.authenticate(kept.token)
    await store.revoke(made.record.id)
    for process in (ring, other):
        await until_refused_with(process, made.token, RevokedApiKey)
        assert process.cached(made.token) is None
        assert process.cached(kept.token) is not None
    await other.close()


async def test_every_process_acts_on_new_limits_within_a_second(
    ring: ApiKeyCache, store: CountingStore, clock: ManualClock, projects: ProjectStore
) -> None:
    other = ApiKeyCache(store, clock)
    await other.start()
    made = await store.create(project="shop")
    for process in (ring, other):
        assert (await process.authenticate(made.token)).limits.is_unlimited

    await store.update(made.record.id, KeyChange(limits=LimitsChange(rpm=60)))
    assert (
        await wait_until(lambda: all(cached_caller(one, made.token).limits == Limits(rpm=60) for one in (ring, other)))
        < 1.0
    )
    change = ProjectChange(limits=LimitsChange(budget_day=5), priority=Priority.LOW)
    await projects.update("shop", change)
    assert (
        await wait_until(lambda: all(cached_caller(one, made.token).priority is Priority.LOW for one in (ring, other)))
        < 1.0
    )
    for process in (ring, other):
        assert cached_caller(process, made.token).project_limits == Limits(budget_day=5)
    await other.close()


async def test_an_admin_key_and_an_ordinary_one_open_different_doors(ring: ApiKeyCache, store: CountingStore) -> None:
    admin = f"Bearer {(await store.create(project='shop', admin=True)).token}"
    ordinary = f"Bearer {(await store.create(project='shop')).token}"
    assert (await ring.admin(admin)).admin
    assert not (await ring.caller(ordinary)).admin
    with pytest.raises(AdminKeyNotAllowed):
        await ring.caller(admin)
    with pytest.raises(AdminKeyRequired):
        await ring.admin(ordinary)
    for nobody in ("", "Basic x", "Bearer "):
        with pytest.raises(MissingApiKey):
            await ring.admin(nobody)


async def test_a_revocation_during_the_look_up_is_not_missed(ring: ApiKeyCache, store: CountingStore) -> None:
    made, known = await store.create(project="shop"), await store.create(project="shop")
    await ring.authenticate(known.token)
    store.held = asyncio.Event()
    asking = asyncio.create_task(ring.authenticate(made.token))
    await wait_until(lambda: store.queries == 2)
    await store.revoke(made.record.id)
    await wait_until(lambda: store.queries == 3)  # the watcher reads what is known anew
    store.held.set()
    with pytest.raises(RevokedApiKey):
        await asking


async def test_a_key_tried_too_early_works_soon_after_it_was_made(
    ring: ApiKeyCache, postgres: Postgres, redis_link: RedisLink, redis_prefix: str
) -> None:
    assert await refusal(ring, MADE_UP) is InvalidApiKey
    maker = KeyStore(postgres, redis_link, clock=SystemClock(), prefix=redis_prefix, random_bytes=b"\x07".__mul__)
    assert (await maker.create(project="shop")).token == MADE_UP
    await until_refused_with(ring, MADE_UP, None)


async def test_an_unannounced_change_is_found_after_a_minute(
    ring: ApiKeyCache, store: CountingStore, clock: ManualClock, postgres: Postgres
) -> None:
    made = await store.create(project="shop")
    await ring.authenticate(made.token)
    async with postgres.connection() as connection:
        await connection.execute("UPDATE keys SET revoked_at = now()")
    queries = store.queries
    clock.advance(STALE_SECONDS + 1)
    assert ring.cached(made.token) is not None, "nobody waits for a refresh"
    await until_refused_with(ring, made.token, RevokedApiKey)
    assert store.queries == queries + 1


async def test_a_defect_in_a_refresh_is_logged_once_and_the_next_refresh_comes(
    ring: ApiKeyCache, store: CountingStore
) -> None:
    made = await store.create(project="shop")
    await ring.authenticate(made.token)
    with capture_logs() as logs:
        store.fault.arm(times=2)
        await store.revoke(made.record.id)
        await until_refused_with(ring, made.token, RevokedApiKey)
        await wait_until(lambda: len(task_log_levels(logs, "api-key-refresh")) == 2)
    assert task_log_levels(logs, "api-key-refresh") == ["error", "info"]


async def test_memory_is_bounded_both_ways(ring: ApiKeyCache, store: CountingStore) -> None:
    made = [await store.create(project="shop") for _ in range(5)]
    for key in made:
        await ring.authenticate(key.token)
    for filler in range(5):
        await refusal(ring, key_format.generate(bytes([filler]).__mul__))
    assert repr(ring) == "<ApiKeyCache: 3 known, 3 unknown, 0 being looked up>"
    assert [ring.cached(key.token) is not None for key in made] == [False, False, True, True, True]


async def test_the_key_in_use_is_not_the_one_forgotten(ring: ApiKeyCache, store: CountingStore) -> None:
    made = [await store.create(project="shop") for _ in range(4)]
    for key in made[:3]:
        await ring.authenticate(key.token)
    ring.cached(made[0].token)
    await ring.authenticate(made[3].token)
    assert ring.cached(made[0].token) is not None
    assert ring.cached(made[1].token) is None


async def test_no_key_material_is_in_any_word_about_it(ring: ApiKeyCache, store: CountingStore) -> None:
    made = await store.create(project="shop")
    await ring.authenticate(made.token)
    with pytest.raises(InvalidApiKey) as unknown:
        await ring.authenticate(MADE_UP)
    words = repr(ring) + repr(await ring.authenticate(made.token)) + repr(unknown.value) + unknown.value.message
    assert made.token[6:20] not in words
    assert MADE_UP[6:20] not in words


async def test_stores_come_and_go_and_a_good_key_is_never_refused(own_stores: StoreUrls, own_folder: Path) -> None:
    clock = SystemClock()
    postgres = Postgres(own_stores.database_url, size=2, timeout=2.0)
    redis_link = RedisLink(own_stores.redis_url, timeout=0.5, clock=clock)
    await redis_link.start()
    store = KeyStore(postgres, redis_link, clock=clock, prefix="tidegate")
    ring = ApiKeyCache(store, clock)
    await ring.start()
    made, unseen, ended = [await store.create(project="shop") for _ in range(3)]
    await ring.authenticate(made.token)
    await ring.authenticate(ended.token)

    os.kill(int((own_folder / "redis" / "redis.pid").read_text()), signal.SIGKILL)
    await wait_until(lambda: not redis_link.up)
    assert await store.revoke(ended.record.id) is False, "nobody could be told"
    await until_refused_with(ring, ended.token, RevokedApiKey)
    assert ring.cached(made.token) is not None

    os.kill(int((own_folder / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGINT)
    await wait_until(lambda: not (own_folder / "postgres" / "postmaster.pid").exists())
    assert await refusal(ring, unseen.token) is PostgresUnavailable
    assert ring.cached(made.token) is not None
    assert await refusal(ring, ended.token) is RevokedApiKey

    with embedded.running(own_folder):  # both come back
        await until_refused_with(ring, unseen.token, None)
        await store.revoke(made.record.id)
        await until_refused_with(ring, made.token, RevokedApiKey)
    await ring.close()
    await redis_link.close()
    await postgres.close()

"""A rotated key has two valid secrets until its overlap ends; they share the rest, and each step can be undone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.eventually import wait_until_async
from tidegate.auth import key_format
from tidegate.auth.grants import KeyChange, LimitsChange
from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.key_rotation import KeyRotation
from tidegate.auth.key_store import KeyStore, NewKey
from tidegate.core.clock import ManualClock
from tidegate.core.errors import (
    ApiKeyNotFound,
    ExpiredApiKey,
    ReplacedApiKey,
    RevokedApiKey,
    RotationRefused,
    TidegateError,
)
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

HOUR = 3600.0


@pytest.fixture
def store(postgres: Postgres, redis_link: RedisLink, clock: ManualClock, redis_prefix: str) -> KeyStore:
    return KeyStore(postgres, redis_link, clock=clock, prefix=redis_prefix)


@pytest.fixture
def rotation(
    postgres: Postgres, redis_link: RedisLink, store: KeyStore, clock: ManualClock, redis_prefix: str
) -> KeyRotation:
    return KeyRotation(postgres, redis_link, store, clock=clock, prefix=redis_prefix)


@pytest.fixture
async def key_cache(store: KeyStore, clock: ManualClock) -> AsyncIterator[ApiKeyCache]:
    key_cache = ApiKeyCache(store, clock)
    await key_cache.start()
    yield key_cache
    await key_cache.close()


async def verdict(key_cache: ApiKeyCache, made: NewKey) -> str | type[TidegateError]:
    """Return the id of the key to which the gateway maps the secret, or the class of its error."""
    try:
        return (await key_cache.caller(f"Bearer {made.token}")).key_id
    except TidegateError as error:
        return type(error)


async def until(key_cache: ApiKeyCache, made: NewKey, expected: str | type[TidegateError]) -> None:
    async def met() -> bool:
        return await verdict(key_cache, made) == expected

    await wait_until_async(met)


async def test_both_secrets_are_the_same_caller_until_the_overlap_ends(
    store: KeyStore, rotation: KeyRotation, key_cache: ApiKeyCache, clock: ManualClock
) -> None:
    limits = LimitsChange(rpm=7, budget_day=5)
    old = await store.create(project="shop", name="web", grants=KeyChange(limits=limits))
    await key_cache.authenticate(old.token)
    new = await rotation.rotate(old.record.id, overlap=24 * HOUR)
    assert new.token != old.token
    assert new.record.id == old.record.id

    await until(key_cache, new, old.record.id)
    first, second = await key_cache.authenticate(old.token), await key_cache.authenticate(new.token)
    assert (first.project, first.limits, first.name) == (second.project, second.limits, second.name)
    assert second.expires_at is None

    clock.advance(24 * HOUR - 1)
    assert await verdict(key_cache, old) == old.record.id
    clock.advance(1)
    await until(key_cache, old, ReplacedApiKey)
    assert await verdict(key_cache, new) == old.record.id


async def test_without_an_overlap_the_old_secret_stops_at_once(
    store: KeyStore, rotation: KeyRotation, key_cache: ApiKeyCache
) -> None:
    old = await store.create(project="shop")
    assert await verdict(key_cache, old) == old.record.id
    new = await rotation.rotate(old.record.id, overlap=0)
    assert new.announced
    await until(key_cache, old, ReplacedApiKey)
    assert await verdict(key_cache, new) == old.record.id


async def test_a_second_rotation_waits_for_the_first_or_stops_both_older_secrets(
    store: KeyStore, rotation: KeyRotation, key_cache: ApiKeyCache, clock: ManualClock
) -> None:
    first = await store.create(project="shop")
    second = await rotation.rotate(first.record.id, overlap=HOUR)
    with pytest.raises(RotationRefused, match="in progress"):
        await rotation.rotate(first.record.id, overlap=HOUR)
    await until(key_cache, second, first.record.id)

    third = await rotation.rotate(first.record.id, overlap=0)
    await until(key_cache, third, first.record.id)
    await until(key_cache, second, ReplacedApiKey)
    assert await verdict(key_cache, first) is ReplacedApiKey

    fourth = await rotation.rotate(first.record.id, overlap=HOUR)
    clock.advance(HOUR)
    fifth = await rotation.rotate(first.record.id, overlap=HOUR)
    for one, expected in ((third, ReplacedApiKey), (fourth, first.record.id), (fifth, first.record.id)):
        await until(key_cache, one, expected)


async def test_of_rotations_at_the_same_time_one_wins(store: KeyStore, rotation: KeyRotation) -> None:
    made = await store.create(project="shop")
    results = await asyncio.gather(
        *(rotation.rotate(made.record.id, overlap=HOUR) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["NewKey", *["RotationRefused"] * 3]


async def test_undoing_makes_the_old_secret_the_only_one_again(
    store: KeyStore, rotation: KeyRotation, key_cache: ApiKeyCache, clock: ManualClock
) -> None:
    old = await store.create(project="shop")
    new = await rotation.rotate(old.record.id, overlap=HOUR)
    await until(key_cache, new, old.record.id)
    assert await rotation.undo(old.record.id)
    await until(key_cache, new, ReplacedApiKey)
    clock.advance(100 * HOUR)
    assert await verdict(key_cache, old) == old.record.id
    assert (await store.list())[0].hint == old.record.hint

    again = await rotation.rotate(old.record.id, overlap=HOUR)
    await until(key_cache, again, old.record.id)


async def test_finishing_stops_the_old_secret_before_its_time(
    store: KeyStore, rotation: KeyRotation, key_cache: ApiKeyCache
) -> None:
    old = await store.create(project="shop")
    new = await rotation.rotate(old.record.id, overlap=HOUR)
    await until(key_cache, old, old.record.id)
    assert await rotation.finish(old.record.id)
    await until(key_cache, old, ReplacedApiKey)
    assert await verdict(key_cache, new) == old.record.id


@pytest.mark.parametrize("overlap", [None, 0.0, HOUR])
async def test_without_an_overlap_in_progress_nothing_is_undone_or_finished(
    store: KeyStore, rotation: KeyRotation, clock: ManualClock, overlap: float | None
) -> None:
    made = await store.create(project="shop")
    if overlap is not None:
        await rotation.rotate(made.record.id, overlap=overlap)
        clock.advance(overlap)
    before = await store.get(made.record.id)
    for step in (rotation.undo, rotation.finish):
        with pytest.raises(RotationRefused, match="nothing was changed"):
            await step(made.record.id)
    assert await store.get(made.record.id) == before


async def test_revoking_a_key_ends_both_secrets(store: KeyStore, rotation: KeyRotation, key_cache: ApiKeyCache) -> None:
    old = await store.create(project="shop")
    new = await rotation.rotate(old.record.id, overlap=HOUR)
    await until(key_cache, new, old.record.id)
    await store.revoke(old.record.id)
    await until(key_cache, old, RevokedApiKey)
    await until(key_cache, new, RevokedApiKey)


async def test_a_key_that_expires_during_the_overlap_ends_both_secrets(
    store: KeyStore, rotation: KeyRotation, key_cache: ApiKeyCache, clock: ManualClock
) -> None:
    old = await store.create(project="shop", expires_at=clock.now() + 60)
    new = await rotation.rotate(old.record.id, overlap=HOUR)
    await until(key_cache, new, old.record.id)
    clock.advance(60)
    assert [await verdict(key_cache, one) for one in (old, new)] == [ExpiredApiKey] * 2

    await store.update(old.record.id, KeyChange(expires_at=None))
    await until(key_cache, new, old.record.id)
    clock.advance(HOUR)
    assert await verdict(key_cache, old) is ReplacedApiKey


@pytest.mark.parametrize("name", ["rotate", "undo", "finish"])
@pytest.mark.parametrize(("state", "words"), [("revoked", "is revoked"), ("expired", "has expired")])
async def test_a_key_that_is_over_cannot_be_rotated(
    store: KeyStore, rotation: KeyRotation, clock: ManualClock, name: str, state: str, words: str
) -> None:
    made = await store.create(project="shop", expires_at=clock.now() + 60)
    if state == "revoked":
        await store.revoke(made.record.id)
    clock.advance(60)
    with pytest.raises(RotationRefused, match=words):
        await steps(rotation)[name](made.record.id)


@pytest.mark.parametrize("name", ["rotate", "undo", "finish"])
async def test_a_key_that_does_not_exist_is_named(rotation: KeyRotation, name: str) -> None:
    with pytest.raises(ApiKeyNotFound, match="key_none"):
        await steps(rotation)[name]("key_none")


def steps(rotation: KeyRotation) -> dict[str, Callable[[str], Awaitable[object]]]:
    return {
        "rotate": lambda key_id: rotation.rotate(key_id, overlap=HOUR),
        "undo": rotation.undo,
        "finish": rotation.finish,
    }


async def test_a_secret_is_found_whatever_became_of_it(
    store: KeyStore, rotation: KeyRotation, clock: ManualClock
) -> None:
    old = await store.create(project="shop", name="web")
    new = await rotation.rotate(old.record.id, overlap=HOUR)
    found = [await rotation.find(token) for token in (old.token, new.token, key_format.generate(b"\x07".__mul__))]
    assert [match and (match.record.id, match.stops_at) for match in found] == [
        (old.record.id, clock.now() + HOUR),
        (old.record.id, None),
        None,
    ]


async def test_neither_secret_is_stored(store: KeyStore, rotation: KeyRotation, postgres: Postgres) -> None:
    old = await store.create(project="shop")
    new = await rotation.rotate(old.record.id, overlap=HOUR)
    async with postgres.connection() as connection:
        rows = [await connection.fetch("SELECT * FROM keys"), await connection.fetch("SELECT * FROM replaced_secrets")]
    stored = str(rows)
    assert new.record.hint in stored
    assert old.record.hint in stored
    assert old.token not in stored + repr(new)
    assert new.token not in stored + repr(new)


async def test_a_background_job_of_the_key_goes_on_after_a_rotation(
    store: KeyStore, rotation: KeyRotation, key_cache: ApiKeyCache
) -> None:
    made = await store.create(project="shop")
    await rotation.rotate(made.record.id, overlap=0)
    assert (await key_cache.caller_of_key(made.record.id)).key_id == made.record.id

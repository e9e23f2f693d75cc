"""Keys in PostgreSQL are shown once, stored as a digest, revoked for good, and every change is announced in Redis."""

import asyncio

import msgspec
import pytest

from tidegate.auth import key_format
from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange
from tidegate.auth.key_store import KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.errors import PostgresUnavailable
from tidegate.core.values import Caller, Limits, Priority
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink


@pytest.fixture
def store(postgres: Postgres, redis_link: RedisLink, clock: ManualClock, redis_prefix: str) -> KeyStore:
    return KeyStore(postgres, redis_link, clock=clock, prefix=redis_prefix)


@pytest.fixture
def projects(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> ProjectStore:
    return ProjectStore(postgres, redis_link, prefix=redis_prefix)


async def test_a_new_key_is_found_by_its_digest(store: KeyStore, clock: ManualClock) -> None:
    made = await store.create(project="shop", name="web", expires_at=clock.now() + 60)
    found = await store.read_statuses([key_format.digest(made.token), b"x" * 32])
    standing = found.pop(key_format.digest(made.token))
    assert found == {}
    assert not standing.revoked
    assert standing.caller == Caller(
        key_id=made.record.id, project="shop", name="web", hint=made.record.hint, expires_at=clock.now() + 60
    )


async def test_a_key_carries_the_limits_of_key_project_and_users(store: KeyStore, projects: ProjectStore) -> None:
    granted = KeyChange(
        limits=LimitsChange(rpm=60, budget_day=5), priority=Priority.HIGH, models=("gpt-4o-mini", "gpt-5")
    )
    made = await store.create(project="shop", grants=granted)
    change = ProjectChange(
        limits=LimitsChange(tpm=7, budget_month=8), user_limits=LimitsChange(concurrency=1), priority=Priority.LOW
    )
    await projects.update("shop", change)
    (standing,) = (await store.read_statuses([key_format.digest(made.token)])).values()
    assert standing.caller == Caller(
        key_id=made.record.id,
        hint=made.record.hint,
        project="shop",
        name="",
        limits=Limits(rpm=60, budget_day=5),
        project_limits=Limits(tpm=7, budget_month=8),
        user_limits=Limits(concurrency=1),
        priority=Priority.HIGH,
        models=frozenset({"gpt-4o-mini", "gpt-5"}),
    )


@pytest.mark.parametrize(
    ("of_key", "of_project", "expected"),
    [
        (None, None, Priority.NORMAL),
        (None, Priority.LOW, Priority.LOW),
        (Priority.HIGH, Priority.LOW, Priority.HIGH),
    ],
)
async def test_the_keys_priority_wins_over_the_projects(
    store: KeyStore,
    projects: ProjectStore,
    of_key: Priority | None,
    of_project: Priority | None,
    expected: Priority,
) -> None:
    made = await store.create(project="shop", grants=KeyChange(priority=of_key))
    await projects.update("shop", ProjectChange(priority=of_project))
    (standing,) = (await store.read_statuses([key_format.digest(made.token)])).values()
    assert standing.caller.priority is expected


async def test_an_update_changes_only_the_given_fields(store: KeyStore, clock: ManualClock) -> None:
    limits = LimitsChange(rpm=60, rpd=0, budget_month=2**50)
    made = await store.create(project="shop", name="old", grants=KeyChange(limits=limits, models=("a",)))
    key = made.record.id
    assert await store.update(key, KeyChange(limits=LimitsChange(rpm=None, tpm=9), priority=Priority.LOW)) is True
    assert await store.update(key, KeyChange(name="new", expires_at=clock.now() + 5)) is True
    record = await store.get(key)
    assert record is not None
    assert record.limits == Limits(rpd=0, tpm=9, budget_month=2**50)
    assert (record.name, record.expires_at, record.priority) == ("new", clock.now() + 5, Priority.LOW)
    assert record.models == ("a",)
    await store.update(key, KeyChange(expires_at=None, models=(), priority=None))
    record = await store.get(key)
    assert record is not None
    assert (record.expires_at, record.models, record.priority) == (None, (), None)
    assert await store.update("key_unknown", KeyChange(name="x")) is None
    assert await store.get("key_unknown") is None


async def test_the_list_comes_in_pages(store: KeyStore) -> None:
    made = [(await store.create(project="shop")).record.id for _ in range(3)]
    everyone = [record.id for record in await store.list()]  # made at the same moment: in order of their ids
    assert everyone == sorted(made)
    assert [record.id for record in await store.list(limit=2)] == everyone[:2]
    assert [record.id for record in await store.list("shop", after=everyone[1], limit=2)] == everyone[2:]


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
    assert (await store.read_statuses([key_format.digest(made.token)])).popitem()[1].revoked
    assert await store.revoke("key_unknown") is None


async def test_every_change_moves_the_epoch(store: KeyStore) -> None:
    before = await store.epoch()
    made = await store.create(project="shop")
    between = await store.epoch()
    await store.update(made.record.id, KeyChange(limits=LimitsChange(rpm=1)))
    changed = await store.epoch()
    await store.revoke(made.record.id)
    assert before < between < changed < await store.epoch()


async def test_whether_a_key_was_ever_made_is_known(store: KeyStore) -> None:
    assert not await store.any_exists()
    made = await store.create(project="shop")
    await store.revoke(made.record.id)
    assert await store.any_exists()


async def test_of_many_that_start_at_once_one_makes_the_first_key(store: KeyStore) -> None:
    made = await asyncio.gather(*(store.create_first(project="shop") for _ in range(8)))
    assert len([key for key in made if key is not None]) == 1
    assert len(await store.list("shop")) == 1


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


async def test_without_redis_a_change_is_made_and_reported_as_unannounced(postgres: Postgres) -> None:
    nowhere = RedisLink("redis://127.0.0.1:1", timeout=0.1, clock=SystemClock())
    store = KeyStore(postgres, nowhere, clock=SystemClock(), prefix="unused")
    made = await store.create(project="shop")
    assert not made.announced
    assert await store.revoke(made.record.id) is False
    assert [record.state(0) for record in await store.list()] == ["revoked"]


async def test_without_postgres_everything_says_so(redis_link: RedisLink) -> None:
    nowhere = Postgres("postgresql://nobody@127.0.0.1:1/none", size=1, timeout=1.0)
    store = KeyStore(nowhere, redis_link, clock=SystemClock(), prefix="unused")
    attempts = [
        store.create(project="p"),
        store.list(),
        store.revoke("k"),
        store.read_statuses([b""]),
        store.any_exists(),
    ]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {PostgresUnavailable}
    await nowhere.close()

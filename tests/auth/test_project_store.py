"""Projects are listed by name and changed in part, and every change is announced."""

import pytest

from tidegate.auth.epoch import Epoch
from tidegate.auth.grants import LimitsChange, ProjectChange
from tidegate.auth.key_store import KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.core.clock import ManualClock
from tidegate.core.values import Limits, Priority
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink


@pytest.fixture
async def store(postgres: Postgres, redis_link: RedisLink, clock: ManualClock, redis_prefix: str) -> ProjectStore:
    keys = KeyStore(postgres, redis_link, clock=clock, prefix=redis_prefix)
    for project in ("shop", "bank", "Zoo"):
        await keys.create(project=project)
    return ProjectStore(postgres, redis_link, prefix=redis_prefix)


async def test_a_new_project_has_no_limits(store: ProjectStore, clock: ManualClock) -> None:
    project = await store.get("shop")
    assert project is not None
    assert (project.name, project.created_at, project.priority) == ("shop", clock.now(), None)
    assert project.limits == project.user_limits == Limits()


async def test_a_change_leaves_the_rest_alone(store: ProjectStore) -> None:
    first = ProjectChange(limits=LimitsChange(rpm=60, budget_day=10**9), user_limits=LimitsChange(tpm=5))
    assert await store.update("shop", first) is True
    second = ProjectChange(limits=LimitsChange(rpm=None), user_limits=LimitsChange(rpd=0), priority=Priority.LOW)
    assert await store.update("shop", second) is True
    project = await store.get("shop")
    assert project is not None
    assert project.limits == Limits(budget_day=10**9)
    assert project.user_limits == Limits(tpm=5, rpd=0)
    assert project.priority is Priority.LOW
    other = await store.get("bank")
    assert other is not None
    assert other.limits.is_unlimited


async def test_the_list_is_by_name_and_in_pages(store: ProjectStore) -> None:
    assert [project.name for project in await store.list()] == ["Zoo", "bank", "shop"]
    assert [project.name for project in await store.list(limit=1)] == ["Zoo"]
    assert [project.name for project in await store.list(after="Zoo", limit=1)] == ["bank"]
    assert await store.list(after="shop") == []


async def test_a_change_moves_the_epoch_and_nothing_else_does(
    store: ProjectStore, redis_link: RedisLink, redis_prefix: str
) -> None:
    epoch = Epoch(redis_link, redis_prefix)
    before = await epoch.read()
    assert await store.get("nobody") is None
    assert await store.update("nobody", ProjectChange(priority=Priority.HIGH)) is None
    assert await epoch.read() == before
    await store.update("shop", ProjectChange(priority=Priority.HIGH))
    assert await epoch.read() == before + 1

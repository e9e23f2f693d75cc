"""What a caller names (models, projects, end users) never meets what is stored for another caller."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.harness import World, ask
from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange
from tidegate.auth.project_store import ProjectStore
from tidegate.core.clock import SystemClock
from tidegate.limits.budget_calendar import period_of
from tidegate.limits.budget_store import BudgetStore
from tidegate.storage.names import RedisNames
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

BUDGETED = KeyChange(limits=LimitsChange(budget_day=10_000_000_000))
ENDINGS = ["waiting", "flows", "line", "line:shop/4", "lines"]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_model_named_like_a_part_of_another_models_queue_stops_nobody(world: World, ending: str) -> None:
    budgeted = await world.keys.create(project="shop", name="budgeted", grants=BUDGETED)
    async with world.gateway(upstream={"rpm": 600}) as gateway:
        await gateway.chat(ask("name", model=f"gpt-4o-mini:{ending}"))
        for number in range(5):
            answer = await gateway.chat(ask(f"neighbour {number}"), authorization=f"Bearer {budgeted.token}")
            assert answer.status == 200, answer.text


@pytest.fixture
async def key_of(world: World, redis_link: RedisLink) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """Make a key of a project whose end users have one request a day each."""
    postgres = Postgres(world.stores.database_url, size=1, timeout=10.0)
    projects = ProjectStore(postgres, redis_link, prefix=world.prefix)

    async def key_of(project: str) -> str:
        token = (await world.make_key(project)).token
        assert await projects.update(project, ProjectChange(user_limits=LimitsChange(rpd=1, budget_day=10**12)))
        return f"Bearer {token}"

    yield key_of
    await postgres.close()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("t/a", "b"), ("t", "a/b")),
        (("t%2Fa", "b"), ("t/a", "b")),
        (("t", "a:b"), ("t:a", "b")),
        (("t", "a%3Ab"), ("t", "a:b")),
    ],
)
async def test_end_users_of_two_projects_share_no_limit(
    world: World, key_of: Callable[[str], Awaitable[str]], one: tuple[str, str], other: tuple[str, str]
) -> None:
    keys = {project: await key_of(project) for project, _ in (one, other)}
    async with world.gateway() as gateway:
        for project, end_user in (one, other):
            answer = await gateway.chat(ask("mine", user=end_user), authorization=keys[project])
            assert answer.status == 200, answer.text
            again = await gateway.chat(ask("more", user=end_user), authorization=keys[project])
            assert (again.status, f"end user {end_user}" in again.error["message"]) == (429, True)


async def test_budgets_that_another_release_counted_under_other_names_are_counted_again(
    world: World, key_of: Callable[[str], Awaitable[str]], redis_link: RedisLink
) -> None:
    key, scope = await key_of("t/a"), "user/t%2Fa/b"
    async with world.gateway() as gateway:
        await gateway.chat(ask("first", user="a/c"), authorization=key)
        await gateway.chat(ask("before", user="b"), authorization=key)
        store = BudgetStore(redis_link, prefix=world.prefix)
        [before] = await store.read([scope], SystemClock().now())
        names = RedisNames(world.prefix)
        await redis_link.command("DEL", names.start("spent") + f"{scope}:{period_of(SystemClock().now()).day}")
        await redis_link.command("SET", names.of("counted"), "count_0123")  # as the release before wrote it
        assert not await store.counters_valid()
        await gateway.chat(ask("after", user="a/d"), authorization=key)
        [after] = await store.read([scope], SystemClock().now())
    assert before.day.spent == after.day.spent > 0
    assert await store.counters_valid()

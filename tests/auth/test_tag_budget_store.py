"""Budgets of tags belong to one project, are changed one by one, and reach its keys."""

import pytest

from tidegate.auth import key_format
from tidegate.auth.key_store import KeyStore
from tidegate.auth.tag_budget_store import MAX_TAG_BUDGETS, TagBudgetChange, TagBudgetStore
from tidegate.core.clock import ManualClock
from tidegate.core.errors import InvalidParameter
from tidegate.core.tags import Tag
from tidegate.core.values import Limits
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

ACME, EVERY = Tag("tenant", "acme"), Tag("tenant", "*")


@pytest.fixture
async def keys(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> KeyStore:
    return KeyStore(postgres, redis_link, clock=ManualClock(), prefix=redis_prefix)


@pytest.fixture
async def budgets(postgres: Postgres, redis_link: RedisLink, redis_prefix: str, keys: KeyStore) -> TagBudgetStore:
    await keys.create(project="shop")
    return TagBudgetStore(postgres, redis_link, prefix=redis_prefix)


async def test_only_what_is_given_changes(budgets: TagBudgetStore) -> None:
    for change, limits in (
        (TagBudgetChange(budget_day=5), Limits(budget_day=5)),
        (TagBudgetChange(budget_month=0), Limits(budget_day=5, budget_month=0)),
        (TagBudgetChange(budget_day=None), Limits(budget_month=0)),
        (TagBudgetChange(budget_month=None), Limits()),
        (TagBudgetChange(budget_month=7), Limits(budget_month=7)),
    ):
        assert await budgets.set("shop", ACME, change) == (limits, True)


async def test_the_keys_of_the_project_know_its_budgets(budgets: TagBudgetStore, keys: KeyStore) -> None:
    for project in ("shop", "harbour"):
        await keys.create(project=project)
    await budgets.set("shop", ACME, TagBudgetChange(budget_day=5))
    await budgets.set("shop", EVERY, TagBudgetChange(budget_month=9))
    before = await keys.epoch()
    await budgets.set("shop", Tag("gone", "x"), TagBudgetChange(budget_month=None))
    assert await keys.epoch() == before + 1, "every process is told"
    ours, theirs = [(await keys.create(project=project)).token for project in ("shop", "harbour")]
    digests = [key_format.digest(token) for token in (ours, theirs)]
    statuses = await keys.read_statuses(digests)
    assert statuses[digests[0]].caller.tag_limits == {ACME: Limits(budget_day=5), EVERY: Limits(budget_month=9)}
    assert statuses[digests[1]].caller.tag_limits == {}


async def test_an_unknown_project_has_no_budgets(budgets: TagBudgetStore) -> None:
    assert await budgets.set("nobody", ACME, TagBudgetChange(budget_day=5)) is None


async def test_the_number_of_tags_with_a_budget_is_bounded(budgets: TagBudgetStore, postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        await connection.execute(
            "INSERT INTO tag_budgets SELECT 'shop', 'tenant', n::text, 1, NULL FROM generate_series(1, $1::int) AS n",
            MAX_TAG_BUDGETS,
        )
    with pytest.raises(InvalidParameter, match="budgets for 1000 tags, the most allowed"):
        await budgets.set("shop", ACME, TagBudgetChange(budget_day=5))
    assert await budgets.set("shop", Tag("tenant", "1"), TagBudgetChange(budget_day=None)) == (Limits(), True)
    assert await budgets.set("shop", ACME, TagBudgetChange(budget_day=5)) is not None

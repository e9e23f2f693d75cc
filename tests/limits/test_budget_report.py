"""The report lists every scope that has a budget, with its spending; no other scope, and its pages do not overlap."""

from datetime import UTC, datetime

import pytest

from tests.metering.ledger_parts import entry
from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange
from tidegate.auth.key_store import KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.auth.tag_budget_store import TagBudgetChange, TagBudgetStore
from tidegate.core.clock import ManualClock
from tidegate.core.tags import Tag
from tidegate.core.values import Limits
from tidegate.limits.budget_report import Budget, BudgetReport
from tidegate.limits.budget_store import BudgetStore
from tidegate.limits.scopes import tag_scope
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
DAILY = KeyChange(limits=LimitsChange(budget_day=1_000))


@pytest.fixture
def keys(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> KeyStore:
    numbers = iter(range(10))
    ids = lambda prefix: f"{prefix}{next(numbers)}"  # noqa: E731  # a source of ids in a line
    return KeyStore(postgres, redis_link, clock=ManualClock(NOW), prefix=redis_prefix, ids=ids)


@pytest.fixture
async def report(postgres: Postgres, redis_link: RedisLink, redis_prefix: str, keys: KeyStore) -> BudgetReport:
    """Two projects; the shop's users have budgets, and one of its three keys; the bank has none at all."""
    for granted in (DAILY, KeyChange(), DAILY):
        await keys.create(project="shop", name="web", grants=granted)
    await keys.revoke("key_2")
    await keys.create(project="bank")
    projects = ProjectStore(postgres, redis_link, prefix=redis_prefix)
    limits = LimitsChange(budget_day=0, budget_month=10_000)
    await projects.update("shop", ProjectChange(limits=limits, user_limits=LimitsChange(budget_month=400)))
    calls = [
        entry(1, at=NOW, project="shop", end_user="ada"),
        entry(2, at=NOW - 30 * 86_400, project="shop", end_user="gone last month"),
        entry(3, at=NOW, project="bank", end_user="unlimited"),
        entry(4, at=NOW, project="shop", end_user=None),
    ]
    await LedgerStore(postgres).write([encode(call) for call in calls])
    for name, nanos in {"spent:key/key_0:2026-11-23": 250, "held:key/key_0:2026-11-23": 250}.items():
        await redis_link.command("SET", f"{{{redis_prefix}}}:{name}", nanos)
    await redis_link.command("SET", f"{{{redis_prefix}}}:spent:user/shop/ada:2026-11", 100)
    return BudgetReport(
        postgres, BudgetStore(redis_link, prefix=redis_prefix), global_limits=Limits(budget_month=5_000)
    )


async def test_the_deployment_comes_first_then_all_scopes_with_a_budget(report: BudgetReport) -> None:
    found = await report.read(NOW)
    assert [(budget.scope, budget.period, budget.budget, budget.used_ratio) for budget in found.budgets] == [
        ("all", "day", None, None),
        ("all", "month", 5_000, 0.0),
        ("key/key_0", "day", 1_000, 0.5),
        ("project/shop", "day", 0, 1.0),
        ("project/shop", "month", 10_000, 0.0),
        ("user/shop/ada", "month", 400, 0.25),
    ]
    assert found.last is None
    assert not found.counters_valid


async def test_a_line_names_its_scope_and_its_renewal(report: BudgetReport) -> None:
    found = (await report.read(NOW)).budgets
    assert found[2] == Budget(
        scope="key/key_0",
        kind="key",
        project="shop",
        key_id="key_0",
        name="web",
        period="day",
        spent=250,
        reserved=250,
        budget=1_000,
        renews_at=MIDNIGHT,
    )
    assert (found[-1].kind, found[-1].user, found[-1].renews_at) == ("user", "ada", DECEMBER)


async def test_tags_are_listed_with_their_budgets(
    report: BudgetReport, postgres: Postgres, redis_link: RedisLink, redis_prefix: str
) -> None:
    tags = TagBudgetStore(postgres, redis_link, prefix=redis_prefix)
    await tags.set("bank", Tag("tenant", "a/b:c"), TagBudgetChange(budget_day=10))
    await tags.set("bank", Tag("tenant", "*"), TagBudgetChange(budget_month=20))
    calls = [entry(n, at=NOW, project="bank", tags={"tenant": name}) for n, name in enumerate(("a/b:c", "seen"), 10)]
    await LedgerStore(postgres).write([encode(call) for call in calls])
    await redis_link.command("SET", f"{{{redis_prefix}}}:spent:tag/bank/tenant/a/b%3Ac:2026-11-23", 5)
    found = await report.read(NOW, project="bank")
    assert [(each.kind, each.tag, each.scope, each.period, each.spent, each.budget) for each in found.budgets] == [
        ("tag", "tenant=a/b:c", tag_scope("bank", "tenant", "a/b:c"), "day", 5, 10),
        ("tag", "tenant=seen", tag_scope("bank", "tenant", "seen"), "month", 0, 20),
    ]


async def test_one_projects_are_shown_without_the_deployment(report: BudgetReport) -> None:
    assert {budget.project for budget in (await report.read(NOW, project="shop")).budgets} == {"shop"}
    assert (await report.read(NOW, project="bank")).budgets == ()


async def test_pages_follow_each_other(report: BudgetReport) -> None:
    first = await report.read(NOW, limit=1)
    assert [budget.scope for budget in first.budgets] == ["all", "all", "key/key_0"]
    second = await report.read(NOW, after=first.last, limit=1)
    assert [budget.scope for budget in second.budgets] == ["project/shop", "project/shop"]
    third = await report.read(NOW, after=second.last, limit=1)
    assert ([budget.scope for budget in third.budgets], third.last) == (["user/shop/ada"], None)

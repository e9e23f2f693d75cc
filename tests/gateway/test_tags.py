"""A call's tags reach the ledger, and a tag's budget is never overspent, whichever replica its calls reach."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.eventually import wait_until_async
from tests.gateway.test_budgets import SECTIONS, BudgetView, watching
from tests.harness import CHAT, RESPONSES, Answer, Gateway, Json, World, ask
from tidegate.auth.tag_budget_store import TagBudgetChange, TagBudgetStore
from tidegate.core.tags import parse_tag
from tidegate.limits.budget_store import BudgetStore
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

BUDGET = 100_000_000
TENANT = {"x_tidegate_tags": "feature=search, tenant=acme"}


@pytest.fixture
async def tag_budgets(world: World, postgres: Postgres, redis_link: RedisLink) -> TagBudgetStore:
    return TagBudgetStore(postgres, redis_link, prefix=world.prefix)


@contextlib.asynccontextmanager
async def replicas(world: World) -> AsyncIterator[list[Gateway]]:
    """Run two gateways in processes of their own."""
    async with world.process(**SECTIONS) as one, world.process(**SECTIONS) as other:
        yield [one, other]


async def call_until_refused(gateways: list[Gateway], name: str, **headers: str) -> tuple[int, Answer]:
    """Call the replicas by turns until the budget refuses; return the number of answers, and the refusal."""
    answered = 0
    for number in range(1000):
        answer = await gateways[number % len(gateways)].chat(
            ask(f"{name} {number}", max_tokens=50), cache_control="no-store", **headers
        )
        if answer.status == 429 and answer.error["code"] == "budget_exceeded":
            return answered, answer
        if answer.status == 429:
            await asyncio.sleep(0.1)
        answered += answer.status == 200
    raise AssertionError("it was never refused")


async def test_a_tags_budget_holds_over_two_replicas(
    world: World, tag_budgets: TagBudgetStore, redis_link: RedisLink, redis_prefix: str
) -> None:
    await tag_budgets.set("shop", parse_tag("tenant=acme"), TagBudgetChange(budget_day=BUDGET))
    purse = BudgetView(redis_link, redis_prefix, "tag/shop/tenant/acme")
    async with replicas(world) as gateways, watching(purse):
        outcomes = await asyncio.gather(*(call_until_refused(gateways, f"caller {n}", **TENANT) for n in range(40)))
        refusal = outcomes[0][1]
        assert refusal.error["message"].startswith("The budget of tag tenant=acme, $0.10, leaves no room")
        untagged = await gateways[0].chat(ask("untagged"))
        other_tenant = await gateways[1].chat(ask("other"), x_tidegate_tags="tenant=globex")
        assert (untagged.status, other_tenant.status) == (200, 200)
        spent, held = await purse.amounts()
        lines = await world.all_entries()
    of_tag = sum(line["cost_nanos"] for line in lines if line["tags"] and '"tenant": "acme"' in line["tags"])
    assert spent == of_tag
    assert 0.9 * BUDGET <= spent <= BUDGET
    assert (held, purse.highest_amount <= BUDGET) == (0, True)


async def test_each_value_of_a_tag_may_have_a_budget(world: World, tag_budgets: TagBudgetStore) -> None:
    await tag_budgets.set("shop", parse_tag("tenant=*"), TagBudgetChange(budget_day=1))
    await tag_budgets.set("shop", parse_tag("tenant=acme"), TagBudgetChange(budget_day=BUDGET))
    async with world.gateway(**SECTIONS) as gateway:
        assert (await gateway.chat(ask("rich"), x_tidegate_tags="tenant=acme")).status == 200
        assert (await gateway.chat(ask("poor"), x_tidegate_tags="tenant=globex")).status == 429
        assert (await gateway.chat(ask("none"), x_tidegate_tags="feature=globex")).status == 200


async def test_another_projects_tag_of_that_name_has_no_budget(world: World, tag_budgets: TagBudgetStore) -> None:
    await tag_budgets.set("shop", parse_tag("tenant=acme"), TagBudgetChange(budget_day=1))
    stranger = f"Bearer {(await world.make_key('harbour')).token}"
    async with world.gateway(**SECTIONS) as gateway:
        assert (await gateway.chat(ask("a"), **TENANT)).status == 429
        assert (await gateway.chat(ask("b"), authorization=stranger, **TENANT)).status == 200


async def test_a_new_budget_counts_what_was_spent_before_it(
    world: World, tag_budgets: TagBudgetStore, redis_link: RedisLink, redis_prefix: str
) -> None:
    async with world.gateway(**SECTIONS) as gateway:
        await gateway.chat(ask("before"), **TENANT)
        [line] = await world.ledger_entries(1)
        await tag_budgets.set("shop", parse_tag("feature=search"), TagBudgetChange(budget_month=line["cost_nanos"] + 1))
        await BudgetStore(redis_link, prefix=redis_prefix).recount()

        async def is_refused() -> bool:
            answer = await gateway.chat(ask("after", max_tokens=1), cache_control="no-store", **TENANT)
            return answer.status == 429 and "feature=search" in answer.error["message"]

        await wait_until_async(is_refused)


@pytest.mark.parametrize(
    ("path", "body", "tags"),
    [
        ("/chat/completions", {**CHAT, "metadata": {"tenant": "acme", "note": "x"}}, {"tenant": "acme"}),
        ("/chat/completions", {**CHAT, "store": True, "metadata": {"tenant": "acme"}}, {"tenant": "acme"}),
        ("/responses", {**RESPONSES, "store": True, "metadata": {"feature": "search"}}, {"feature": "search"}),
        ("/responses", {**RESPONSES, "metadata": {"feature": "search"}, "stream": True}, {"feature": "search"}),
        ("/chat/completions", CHAT, None),
    ],
)
async def test_metadata_becomes_tags(gateway: Gateway, world: World, path: str, body: Json, tags: Any) -> None:
    assert (await gateway.call(path, body, x_simulate_strict="false")).status == 200
    assert await tags_in_ledger(world, 1) == [tags]


async def test_hits_joins_and_background_responses_have_their_own_tags(gateway: Gateway, world: World) -> None:
    await gateway.chat(x_tidegate_tags="feature=first")
    hit = await gateway.chat(x_tidegate_tags="feature=second")
    assert hit.headers["x-tidegate-cache"] == "hit", "tags do not shape the answer"
    background = await gateway.call(
        "/responses", {**RESPONSES, "store": True, "background": True}, x_tidegate_tags="feature=third"
    )
    assert background.status == 200
    assert await tags_in_ledger(world, 3) == [{"feature": name} for name in ("first", "second", "third")]


async def test_a_malformed_header_is_refused_before_anything_is_sent(gateway: Gateway, world: World) -> None:
    answer = await gateway.chat(x_tidegate_tags="tenant")
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert answer.error["message"].startswith("The tag 'tenant' is not valid: it has no value. Nothing was done.")
    assert await world.calls() == 0
    assert await world.all_entries() == []


async def test_tags_stay_at_the_gateway(world: World) -> None:
    async with world.gateway(upstream={"forward_headers": ["*"]}) as gateway:
        await gateway.chat(x_tidegate_tags="tenant=acme")
        assert (await gateway.chat(x_tidegate_tags="tenant=globex")).headers["x-tidegate-cache"] == "hit"


async def test_usage_is_grouped_by_a_tag_over_the_admin_api(gateway: Gateway, world: World) -> None:
    for tags in ("feature=search,tenant=acme", "feature=search,tenant=globex", "feature=chat,tenant=acme"):
        await gateway.chat(ask(tags), x_tidegate_tags=tags)
    await world.ledger_entries(3)
    admin = (await world.keys.create(project="operators", admin=True)).token
    assert await usage(world.http, gateway, admin, "by=tag:feature") == {"search": 2, "chat": 1}
    assert await usage(world.http, gateway, admin, "by=tag:feature&tag=tenant=acme") == {"search": 1, "chat": 1}
    assert await usage(world.http, gateway, admin, "by=day&tag=tenant=acme&tag=feature=chat&limit=1") != {}


async def usage(http: aiohttp.ClientSession, gateway: Gateway, admin: str, query: str) -> dict[str, int]:
    headers = {"authorization": f"Bearer {admin}"}
    async with http.get(f"{gateway.root}/admin/v1/usage?{query}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return {row["group"]: row["calls"] for row in (await answer.json())["data"]}


async def tags_in_ledger(world: World, number: int) -> list[Any]:
    await world.ledger_entries(number)
    rows = await world.rows("SELECT tags ->> 'feature', tags ->> 'tenant', tags IS NULL FROM ledger ORDER BY at")
    return [
        None if empty else {name: value for name, value in (("feature", feature), ("tenant", tenant)) if value}
        for feature, tenant, empty in rows
    ]

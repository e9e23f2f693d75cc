"""Behind a PgBouncer in transaction mode every call is right, as are jobs and commands, and projects stay apart."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from tests.eventually import PATIENCE_SECONDS, wait_until_async
from tests.harness import CHAT, Answer, Gateway, World, ask
from tests.storage.poolers import needs_pgbouncer, pgbouncer
from tidegate.cli.application import application

pytestmark = [needs_pgbouncer, pytest.mark.long]

_PER_KIND = 100
_TOGETHER = 40


@pytest.fixture
async def pooled_url(world: World) -> AsyncIterator[str]:
    async with pgbouncer(world.stores.database_url) as url:
        yield url


def said(answer: Answer, marker: str) -> bool:
    """Return whether a stored document is the one with this marker."""
    return answer.status == 200 and marker in answer.text


async def chat(gateway: Gateway, marker: str, bearer: str) -> bool:
    return (await gateway.chat(ask(marker), authorization=bearer)).status == 200


async def stored_chat(gateway: Gateway, marker: str, bearer: str) -> bool:
    body = {**CHAT, "messages": [{"role": "user", "content": marker}], "store": True}
    made = await gateway.chat(body, authorization=bearer)
    if made.status != 200:
        return False
    messages = await gateway.call(f"/chat/completions/{made.json['id']}/messages", authorization=bearer)
    return said(messages, marker)


async def chain(gateway: Gateway, marker: str, bearer: str) -> bool:
    first = await gateway.call("/responses", {"model": "gpt-4o-mini", "input": marker}, authorization=bearer)
    if first.status != 200:
        return False
    more = {"model": "gpt-4o-mini", "input": "And then?", "previous_response_id": first.json["id"]}
    second = await gateway.call("/responses", more, authorization=bearer)
    if second.status != 200:
        return False
    items = await gateway.call(f"/responses/{second.json['id']}/input_items", authorization=bearer)
    return said(items, marker)


async def conversation(gateway: Gateway, marker: str, bearer: str) -> bool:
    made = await gateway.call("/conversations", {"metadata": {"of": marker}}, authorization=bearer)
    if made.status != 200:
        return False
    path = f"/conversations/{made.json['id']}"
    turn = {"model": "gpt-4o-mini", "input": marker, "conversation": made.json["id"]}
    if (await gateway.call("/responses", turn, authorization=bearer)).status != 200:
        return False
    items = await gateway.call(f"{path}/items", authorization=bearer)
    return (
        said(items, marker)
        and len(items.json["data"]) == 2
        and said(await gateway.call(path, authorization=bearer), marker)
    )


async def background(gateway: Gateway, marker: str, bearer: str) -> bool:
    body = {"model": "gpt-4o-mini", "input": marker, "background": True}
    made = await gateway.call("/responses", body, authorization=bearer)
    if made.status != 200:
        return False
    seen: list[Answer] = []

    async def ended() -> bool:
        seen[:] = [await gateway.call(f"/responses/{made.json['id']}", authorization=bearer)]
        return seen[0].status != 200 or seen[0].json["status"] not in ("queued", "in_progress")

    await wait_until_async(ended)
    items = await gateway.call(f"/responses/{made.json['id']}/input_items", authorization=bearer)
    return seen[0].status == 200 and seen[0].json["status"] == "completed" and said(items, marker)


async def foreign(gateway: Gateway, marker: str, bearer: str, other: str) -> bool:
    """Store as one project, and look as another one, which must see nothing."""
    body = {"model": "gpt-4o-mini", "input": marker}
    made = await gateway.call("/responses", body, authorization=bearer)
    if made.status != 200:
        return False
    path = f"/responses/{made.json['id']}"
    hidden, own = await asyncio.gather(
        gateway.call(path, authorization=other), gateway.call(path, authorization=bearer)
    )
    return hidden.status == 404 and own.status == 200


async def test_600_of_600_calls_of_every_kind_are_right_and_projects_stay_apart(world: World, pooled_url: str) -> None:
    keys = [f"Bearer {(await world.make_key(project)).token}" for project in ("shop", "mill", "harbour")]
    limited = asyncio.Semaphore(_TOGETHER)

    async def play(kind: Any, number: int) -> tuple[str, bool]:
        bearer, other = keys[number % 3], keys[(number + 1) % 3]
        marker = f"{kind.__name__} number {number} of project {number % 3}"
        more = (other,) if kind is foreign else ()
        async with limited, asyncio.timeout(2 * PATIENCE_SECONDS):
            return kind.__name__, await kind(gateway, marker, bearer, *more)

    kinds = (chat, stored_chat, chain, conversation, background, foreign)
    async with world.gateway(database_url=pooled_url, database={"pool_size": 10}) as gateway:
        results = await asyncio.gather(*(play(kind, number) for number in range(_PER_KIND) for kind in kinds))
    wrong = {kind.__name__: sum(name == kind.__name__ and not right for name, right in results) for kind in kinds}
    assert wrong == dict.fromkeys(wrong, 0)
    assert len(results) == 600
    entries = await world.all_entries()
    assert {entry["outcome"] for entry in entries} == {"ok"}


COMMANDS = (
    ("keys", "create", "--project", "quay", "--json"),
    ("keys", "update", "{key}", "--rpm", "5"),
    ("keys", "list", "--json"),
    ("keys", "revoke", "{key}"),
    ("projects", "update", "quay", "--budget-day", "1.00"),
    ("projects", "show", "quay"),
    ("budgets", "show"),
    ("usage", "--by", "project"),
    ("queue", "jobs"),
    ("conversations", "search", "tide"),
    ("conversations", "export", "--project", "quay"),
    ("users", "forget", "quay", "ada", "--yes"),
    ("migrate",),
)


async def test_commands_work_too(world: World, pooled_url: str, redis_prefix: str) -> None:
    environment = {
        "TIDEGATE_DATABASE_URL": pooled_url,
        "TIDEGATE_REDIS_URL": world.stores.redis_url,
        "TIDEGATE_REDIS__PREFIX": redis_prefix,
    }
    key = ""
    for words in COMMANDS:
        command = [word.format(key=key) for word in words]
        outcome = await asyncio.to_thread(CliRunner().invoke, application(), command, env=environment)
        assert outcome.exit_code == 0, (command, outcome.output)
        if words[:2] == ("keys", "create"):
            key = msgspec.json.decode(outcome.stdout)["id"]

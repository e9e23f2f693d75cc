"""Over all replicas together a caller gets what its limits allow, and true figures about the rest."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.harness import Answer, Gateway, World, ask
from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange
from tidegate.auth.project_store import ProjectStore
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

WIDE = {"rpm": 100_000, "tpm": 1_000_000_000}
"""An upstream without limits."""
ENDLESS = {"x_simulate_latency": "600"}


@contextlib.asynccontextmanager
async def replicas(world: World, number: int = 3, **sections: Any) -> AsyncIterator[list[Gateway]]:
    """Run this many gateways on the same stores."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(world.gateway(upstream=WIDE, **sections)) for _ in range(number)]


async def limited(world: World, project: str = "shop", **limits: int) -> str:
    """Return the header of a key with these limits."""
    key = await world.keys.create(project=project, name="limited", grants=KeyChange(limits=LimitsChange(**limits)))
    return f"Bearer {key.token}"


async def at_once(gateways: list[Gateway], number: int, key: str, first: int = 0, **fields: Any) -> list[Answer]:
    """Send different requests, spread over the replicas."""
    tokens = fields.pop("max_tokens", 20)
    return await asyncio.gather(
        *(
            gateways[n % len(gateways)].chat(ask(f"question {n}", max_tokens=tokens), authorization=key, **fields)
            for n in range(first, first + number)
        )
    )


@contextlib.asynccontextmanager
async def rejected_calls(
    world: World, gateways: list[Gateway], number: int, key: str, *, room: int, **fields: Any
) -> AsyncIterator[list[Answer]]:
    """Yield the answers of the refused ones of these calls; the others stay for a while, then hang up."""
    started_at = await world.calls()
    calls = [asyncio.create_task(at_once([gateways[n % len(gateways)]], 1, key, n, **fields)) for n in range(number)]
    try:
        first = [await call for call in itertools.islice(asyncio.as_completed(calls), number - room)]
        await world.wait_for_stats(in_flight=room, calls={"chat": started_at + room})
        yield [answer for (answer,) in first]
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


def statuses(answers: list[Answer]) -> dict[int, int]:
    return {status: sum(answer.status == status for answer in answers) for status in {a.status for a in answers}}


async def test_requests_per_minute_hold_over_all_replicas(world: World) -> None:
    key = await limited(world, rpm=12)
    async with replicas(world) as gateways:
        started_at = asyncio.get_running_loop().time()
        answers = await at_once(gateways, 40, key)
        taken = asyncio.get_running_loop().time() - started_at
    passed = statuses(answers)[200]
    assert 12 <= passed <= 13 + taken / 5  # one more is allowed every five seconds
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.error["code"] == "rate_limit_exceeded"
    assert refused.error["type"] == "requests"
    assert refused.error["message"].startswith(
        "Rate limit reached for this API key on requests per min (RPM): Limit 12, Used 1"
    )
    wait = int(refused.headers["retry-after-ms"]) / 1000
    assert 0 < wait <= 5.0
    assert refused.headers["retry-after"] == str(max(1, -int(-wait // 1)))
    assert refused.headers["x-should-retry"] == "true"
    assert refused.headers["x-tidegate-error"] == "rate_limit_exceeded"
    assert (refused.headers["x-ratelimit-limit-requests"], refused.headers["x-ratelimit-remaining-requests"]) == (
        "12", "0",
    )  # fmt: skip
    assert await world.calls() == passed


async def test_calls_in_flight_never_exceed_their_limit(world: World) -> None:
    key = await limited(world, concurrency=4)
    async with replicas(world) as gateways:
        async with rejected_calls(world, gateways, 30, key, room=4, **ENDLESS) as refused:
            assert statuses(refused) == {429: 26}
        await world.ledger_entries(4)  # they have released their reservations
        again = await at_once(gateways, 4, key)
    assert statuses(again) == {200: 4}


async def test_tokens_are_reserved_and_given_back(world: World) -> None:
    key = await limited(world, tpm=6000)
    async with world.gateway(upstream=WIDE) as gateway:
        first = await gateway.chat(ask("a", max_tokens=2500), authorization=key)
        assert 3000 < int(first.headers["x-ratelimit-remaining-tokens"]) < 3500
        second = await gateway.chat(ask("b", max_tokens=2500), authorization=key)
        assert 3000 < int(second.headers["x-ratelimit-remaining-tokens"]) < 3500  # the first used about 40
        async with rejected_calls(world, [gateway], 5, key, room=2, max_tokens=2500, **ENDLESS) as answers:
            assert statuses(answers) == {429: 3}
        refused = answers[0]
        assert refused.error["type"] == "tokens"
        assert refused.headers["x-ratelimit-limit-tokens"] == "6000"
        too_large = await gateway.chat(ask("c", max_tokens=6001), authorization=key)
    assert (too_large.status, too_large.error["type"]) == (429, "tokens")
    assert too_large.error["message"].startswith("Request too large for this API key on tokens per min (TPM): Limit")
    assert (too_large.headers["x-should-retry"], too_large.headers["x-tidegate-error"]) == (
        "false",
        "request_exceeds_limit",
    )


async def test_a_hit_counts_as_a_request_and_as_nothing_else(world: World) -> None:
    key = await limited(world, rpm=3, tpm=400, concurrency=1)
    async with world.gateway(upstream=WIDE) as gateway:
        for cache in ("miss", "hit", "hit"):
            answer = await gateway.chat(ask("same", max_tokens=300), authorization=key)
            assert (answer.status, answer.headers["x-tidegate-cache"]) == (200, cache)
        assert (await gateway.chat(ask("same", max_tokens=300), authorization=key)).status == 429


async def test_a_project_and_its_end_users_have_limits_of_their_own(
    world: World, postgres: Postgres, redis_link: RedisLink
) -> None:
    async with replicas(world, 2) as gateways:
        change = ProjectChange(limits=LimitsChange(rpd=5), user_limits=LimitsChange(rpd=2))
        await ProjectStore(postgres, redis_link, prefix=world.prefix).update("shop", change)
        keys = [await limited(world), await limited(world)]
        answers = []
        for number in range(9):
            user = ("ann", "ann", "ann", "bob", "bob", "bob", "eve", "eve", None)[number]
            body = ask(f"q{number}", **({"user": user} if user else {}))
            answers.append(await gateways[number % 2].chat(body, authorization=keys[number % 2]))
    assert [answer.status for answer in answers] == [200, 200, 429, 200, 200, 429, 200, 429, 429]
    assert "end user ann on requests per day (RPD): Limit 2, Used 2" in answers[2].error["message"]
    assert "project shop on requests per day (RPD): Limit 5, Used 5" in answers[8].error["message"]


@contextlib.asynccontextmanager
async def sdk_with_responses(
    gateway: Gateway, key: str, **options: Any
) -> AsyncIterator[tuple[AsyncOpenAI, list[httpx.Response]]]:
    """Open the official client, and record the responses that it gets."""
    heard: list[httpx.Response] = []

    async def note(response: httpx.Response) -> None:
        heard.append(response)

    http = httpx.AsyncClient(event_hooks={"response": [note]})
    async with gateway.sdk(api_key=key.removeprefix("Bearer "), http_client=http, **options) as client:
        yield client, heard


async def test_the_official_client_waits_as_it_is_told_and_no_longer(world: World) -> None:
    key = await limited(world, rpm=30)
    async with world.gateway(upstream=WIDE) as gateway:
        await at_once([gateway], 30, key)
        async with sdk_with_responses(gateway, key, max_retries=4) as (client, heard):
            for number in range(100):  # until the limit is reached: on a busy machine it may have refilled
                heard.clear()
                question: Any = ask(f"again {number}")
                assert (await client.chat.completions.create(**question)).choices
                if len(heard) > 1:
                    break
    refused, _ = heard  # the stated wait was true, and the call is served after it
    assert 0 < int(refused.headers["retry-after-ms"]) <= 2000


@pytest.mark.parametrize(
    ("limits", "code"), [({"tpm": 50}, "rate_limit_exceeded"), ({"budget_day": 10}, "budget_exceeded")]
)
async def test_the_official_client_gives_up_where_waiting_is_no_use(world: World, limits: Any, code: str) -> None:
    key = await limited(world, **limits)
    async with (
        world.gateway(upstream=WIDE, budgets={"rebuild_after_seconds": 0.5}) as gateway,
        sdk_with_responses(gateway, key, max_retries=5) as (client, heard),
    ):
        question: Any = ask("q", max_tokens=1000)
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(**question)
        assert (refused.value.code, len(heard)) == (code, 1)
    assert await world.calls() == 0


async def test_who_hangs_up_makes_room(world: World) -> None:
    key = await limited(world, concurrency=1)
    async with world.gateway(upstream=WIDE) as gateway:
        calling = asyncio.create_task(gateway.chat(ask("slow"), authorization=key, **ENDLESS))
        await world.wait_for_stats(in_flight=1)
        assert (await gateway.chat(ask("other"), authorization=key)).status == 429
        calling.cancel()
        await world.wait_for_stats(in_flight=0)
        await world.ledger_entries(1)
        assert (await gateway.chat(ask("other"), authorization=key)).status == 200

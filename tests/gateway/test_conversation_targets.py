"""On a weighted route a conversation stays with one account, and all conversations are shared by weight."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness import Gateway, Json, World

ACCOUNTS = ("east", "west")
TURNS = 100


@contextlib.asynccontextmanager
async def weighted(world: World, **sections: Any) -> AsyncIterator[Gateway]:
    """Run a gateway whose model `smart` is answered by two accounts of the same upstream."""
    providers = {
        name: {
            "kind": "openai_compatible",
            "base_url": world.upstream_url,
            "credentials": [{"name": name, "api_key": f"sk-{name}"}],
        }
        for name in ACCOUNTS
    }
    targets = [{"provider": name, "model": "gpt-4o-mini", "weight": 1} for name in ACCOUNTS]
    routes = {"smart": {"targets": targets, "strategy": "weighted"}}
    async with world.gateway(providers=providers, routes=routes, retries={"max_retries": 0}, **sections) as gateway:
        yield gateway


def account(served_by: str) -> str:
    return served_by.partition("/")[0]


async def chat_turns(gateways: list[Gateway], turns: int, first: str, **fields: Any) -> list[str]:
    """Make the turns of a chat, spread over the replicas; return the account that answered each."""
    messages: list[Json] = [{"role": "system", "content": "You know the sea."}, {"role": "user", "content": first}]
    accounts = []
    for turn in range(turns):
        body = {"model": "smart", "messages": messages, "max_tokens": 5, **fields}
        answer = await gateways[turn % len(gateways)].chat(body)
        assert answer.status == 200, answer.text
        accounts.append(account(answer.headers["x-tidegate-served-by"]))
        said = answer.json["choices"][0]["message"]["content"]
        messages = [
            *messages,
            {"role": "assistant", "content": said},
            {"role": "user", "content": f"And on day {turn}?"},
        ]
    return accounts


async def test_a_chat_of_a_hundred_turns_is_answered_by_one_account(world: World) -> None:
    async with weighted(world) as one, weighted(world) as other:
        assert len(set(await chat_turns([one, other], TURNS, "When is high tide?"))) == 1


@pytest.mark.parametrize("named", [False, True])
async def test_stored_turns_are_answered_by_one_account(world: World, named: bool) -> None:
    async with weighted(world) as gateway, gateway.sdk() as client:
        place: dict[str, Any] = {"conversation": (await client.conversations.create()).id} if named else {}
        accounts = []
        for turn in range(20):
            raw = await client.responses.with_raw_response.create(
                model="smart", input=f"What of day {turn}?", max_output_tokens=16, **place
            )
            accounts.append(account(raw.headers["x-tidegate-served-by"]))
            if not named:
                place = {"previous_response_id": raw.parse().id}
    assert len(set(accounts)) == 1


async def test_a_cache_key_keeps_different_words_together(world: World) -> None:
    async with weighted(world) as gateway:
        served = [(await chat_turns([gateway], 1, f"Question {n}", prompt_cache_key="sea"))[0] for n in range(20)]
    assert len(set(served)) == 1


async def test_other_conversations_are_shared_by_weight(world: World) -> None:
    async with weighted(world) as gateway:
        served = Counter([(await chat_turns([gateway], 1, f"Question {n}"))[0] for n in range(100)])
    assert set(served) == set(ACCOUNTS)
    assert min(served.values()) >= 30  # four standard deviations


async def test_while_its_account_is_down_a_conversation_moves_and_stays_there(world: World) -> None:
    async with weighted(world) as gateway:
        [home] = set(await chat_turns([gateway], 5, "When is high tide?"))
        await world.set_faults(key=home, server_error=1.0)
        away = await chat_turns([gateway], 20, "When is high tide?", seed=1)
        assert set(away) == set(ACCOUNTS) - {home}

"""A killed gateway leaves an account that is never kinder than the truth, and no phrasing without its answer."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.eventually import wait_until
from tests.gateway.question_upstream import JUDGE, VERIFIER, QuestionUpstream
from tests.harness import Gateway, World, ask
from tidegate.cache.semantic.account import wrong_bound
from tidegate.cache.semantic.state.accounts import AccountStore
from tidegate.core.clock import SystemClock
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink

KILLS = int(os.environ.get("SEMANTIC_KILLS", "2"))
OPENINGS = ("How do I", "How can I", "Please help me", "I want to", "Tell me how to", "What is the way to")
ACTS = {
    "open my account": "open",
    "close my account": "close",
    "reset my password": "reset",
    "change my address": "address",
}
TIER = {"mode": "on", "delta": 0.2, "judge": JUDGE, "verifier": VERIFIER, "verify_seconds": 5.0, "embed_seconds": 1.0}

pytestmark = pytest.mark.long


class EndlessQuestions(QuestionUpstream):
    """Knows each question by what it asks to do, whatever else it says."""

    def topic_of(self, question: str) -> str:
        """Return the topic of a question."""
        return next(topic for act, topic in ACTS.items() if act in question.casefold())


def _question(coin: random.Random) -> str:
    word = "".join(coin.choices("abcdefgh", k=4))
    return f"{coin.choice(OPENINGS)} {coin.choice(list(ACTS))} {word}"


@pytest.fixture
async def upstream() -> AsyncIterator[QuestionUpstream]:
    async with EndlessQuestions({}).serving() as upstream:
        yield upstream


class Truth:
    """What callers received."""

    def __init__(self) -> None:
        self.semantic = 0
        self.wrong = 0

    def has_seen(self, semantic: int) -> bool:
        """Return whether so many semantic answers were received."""
        return self.semantic >= semantic

    async def ask_all(self, gateway: Gateway, topics: QuestionUpstream, coin: random.Random) -> None:
        """Ask questions until the gateway is gone."""
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            while True:
                text = _question(coin)
                answer = await gateway.chat(ask(text))
                if answer.status == 200 and answer.headers["x-tidegate-cache"] == "semantic":
                    self.semantic += 1
                    self.wrong += answer.json["choices"][0]["message"]["content"] != topics.topic_of(text)


@pytest.mark.parametrize("number", range(KILLS))
async def test_a_killed_gateway_leaves_nothing_kinder_than_the_truth(
    clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path, upstream: QuestionUpstream, number: int
) -> None:
    upstream.confused.add(frozenset({"open", "close"}))
    coin, truth = random.Random(number), Truth()  # noqa: S311  # repeatable on purpose
    async with World(clean_stores, redis_prefix, upstream.base_url, tmp_path) as world:
        async with world.process(semantic=TIER) as gateway:
            asking = [asyncio.create_task(truth.ask_all(gateway, upstream, coin)) for _ in range(4)]
            goal = coin.randint(1, 12)  # the moment of the kill is what varies
            await wait_until(partial(truth.has_seen, goal))
            gateway.kill()
            await asyncio.gather(*asking)
        aliases = await world.rows(
            "SELECT DISTINCT change ->> 'answer' FROM semantic_changes WHERE change ->> 'type' = 'alias'"
        )
    link = RedisLink(clean_stores.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()
    figures = await AccountStore(link, SystemClock(), prefix=redis_prefix, judge_seconds=1.0).read("on", "shop")
    stored = [await link.command("EXISTS", RedisNames(redis_prefix).of("answer", answer)) for (answer,) in aliases]
    await link.close()
    assert truth.wrong <= wrong_bound(figures) + figures.pending
    assert aliases
    assert stored == [1] * len(aliases)

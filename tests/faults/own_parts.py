"""A gateway whose connections to its stores can be broken, and calls of every kind to check it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from tests.faults.proxy import FaultProxy, proxy_before
from tests.harness import EMBEDDINGS, RESPONSES, Answer, Gateway, Json, World, ask

PREFIX = "tidegate-own"


class BreakableGateway(msgspec.Struct, frozen=True):
    """A gateway behind proxies to its stores."""

    gateway: Gateway
    redis: FaultProxy
    postgres: FaultProxy
    admin: str
    """An admin key, to read its counters."""

    async def event_counts(self) -> dict[str, int]:
        """Return the counts of its internal events."""
        headers = {"authorization": f"Bearer {self.admin}"}
        async with self.gateway.http.get(self.gateway.root + "/admin/v1/failures", headers=headers) as answer:
            counted: dict[str, int] = (await answer.json())["internal_events"]
            return counted


@contextlib.asynccontextmanager
async def breakable_gateway(world: World, **sections: Any) -> AsyncIterator[BreakableGateway]:
    """Start a gateway that reaches both stores through proxies and has its keys cached."""
    admin = (await world.keys.create(project="operators", admin=True)).token
    async with (
        proxy_before(world.stores.redis_url) as (redis, redis_url),
        proxy_before(world.stores.database_url) as (postgres, database_url),
        world.gateway(**{"redis_url": redis_url, "database_url": database_url, **sections}) as gateway,
    ):
        ways = BreakableGateway(gateway, redis, postgres, admin)
        await ways.event_counts()
        await gateway.call("/models")
        yield ways


def requests(tag: str) -> list[tuple[str, Json]]:
    """Return a call of every kind; `tag` makes them new to the cache."""
    return [
        ("/chat/completions", ask(tag)),
        ("/chat/completions", ask(f"{tag} streamed", stream=True)),
        ("/responses", {**RESPONSES, "input": tag}),
        ("/responses", {**RESPONSES, "input": f"{tag} streamed", "stream": True}),
        ("/embeddings", {**EMBEDDINGS, "input": tag}),
    ]


class CallResults(msgspec.Struct, frozen=True):
    """The results of some calls."""

    answers: list[Answer]
    seconds: float
    """The longest duration of a call."""

    @property
    def ids(self) -> set[str]:
        """Return their request ids, which the ledger has, too."""
        return {answer.headers["x-request-id"] for answer in self.answers}


async def call_all(gateway: Gateway, tag: str, times: int = 1) -> CallResults:
    """Make calls of every kind at once; each must be answered whole."""

    async def one(path: str, body: Json) -> tuple[Answer, float]:
        started_at = time.monotonic()
        answer = await gateway.call(path, body)
        return answer, time.monotonic() - started_at

    asked = [request for number in range(times) for request in requests(f"{tag} {number}")]
    async with asyncio.timeout(60):
        done = await asyncio.gather(*(one(path, body) for path, body in asked))
    for (path, body), (answer, _) in zip(asked, done, strict=True):
        assert answer.status == 200, answer.text
        if body.get("stream"):
            end = "data: [DONE]" if path == "/chat/completions" else "event: response.completed"
            assert end in answer.text, answer.text
    return CallResults([answer for answer, _ in done], max(seconds for _, seconds in done))


async def ledger_has(world: World, *called: CallResults) -> list[Json]:
    """Check that each of these calls has exactly one ledger entry, and that there are no others."""
    ids = set().union(*(one.ids for one in called))
    lines = await world.ledger_entries(len(ids))
    assert sorted(line["id"] for line in lines) == sorted(ids)
    assert {line["outcome"] for line in lines} == {"ok"}
    return lines


def redis_process(folder: Path) -> int:
    """Return the process of the test's own Redis."""
    return int((folder / "redis" / "redis.pid").read_text())

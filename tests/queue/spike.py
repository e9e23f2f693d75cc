"""A spike: many calls arrive at once over several replicas in front of an enforcing upstream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec

from tests.limits.enforcer import EnforcingUpstream
from tidegate.core.clock import SystemClock
from tidegate.providers.openai_family.rate_limit_headers import reported_limits
from tidegate.queue.messages import LaneLimits, QueueEntry, process_of
from tidegate.queue.replicas import Replicas
from tidegate.queue.waiters import Waiters
from tidegate.storage.redis import RedisLink

LANE = "openai/gpt-4o-mini"


class Spike(msgspec.Struct, frozen=True, kw_only=True):
    """How it went."""

    seconds: float
    order: dict[str, list[int]]
    """For each process, its answered calls' places by arrival, in the order in which they were let go."""
    waits: dict[str, float]
    """Seconds until each was let go."""


@contextlib.asynccontextmanager
async def replicas(
    url: str, prefix: str, count: int = 3, lane_limits: LaneLimits | None = None
) -> AsyncIterator[list[Waiters]]:
    """So many processes' waiters, each on a link of its own."""
    clock, made = SystemClock(), LaneLimits() if lane_limits is None else lane_limits
    links = [RedisLink(url, timeout=2.0, clock=clock) for _ in range(count)]
    places = [
        Waiters(
            link,
            prefix=prefix,
            process=f"process{number}",
            clock=clock,
            lane_limits=lambda _: made,
            replicas=Replicas(),
        )
        for number, link in enumerate(links)
    ]
    for link, each in zip(links, places, strict=True):
        await link.start()
        await each.start()
    try:
        yield places
    finally:
        for link, each in zip(links, places, strict=True):
            await each.close()
            await link.close()


def queue_entry(
    places: Waiters, name: str, *, flow: str = "harbour", weight: int = 4, patience: float = 300.0
) -> QueueEntry:
    deadline = SystemClock().now() + patience
    return QueueEntry(member=f"{places.process}:{name}", tokens=50, flow=flow, weight=weight, deadline=deadline)


async def call(places: Waiters, asked: QueueEntry, upstream: EnforcingUpstream, let_go: list[int]) -> float:
    """One call as the pipeline makes it: a place, the upstream, and after a 429 the same place again."""
    clock = SystemClock()
    begun = clock.monotonic()
    while True:
        place = await places.enter(LANE, asked)
        waited, sent = clock.monotonic() - begun, clock.monotonic()
        let_go.append(place.seq)
        reply = await upstream.send()
        said, age = reported_limits(reply.headers), clock.monotonic() - sent
        if reply.ok:
            places.feedback.report_answer(LANE, said, ok=True, age=age)
            return waited
        let_go.remove(place.seq)
        places.feedback.report_rate_limit(LANE, said, "requests", reply.wait, tokens=asked.tokens, age=age)
        asked = msgspec.structs.replace(asked, position=place)


async def spike(all_places: list[Waiters], upstream: EnforcingUpstream, tickets: list[QueueEntry]) -> Spike:
    """All tickets at once, each in the process it names."""
    clock, let_go = SystemClock(), {places.process: list[int]() for places in all_places}
    by_process = {places.process: places for places in all_places}
    begun = clock.monotonic()
    waits = await asyncio.gather(
        *(call(by_process[process_of(one.member)], one, upstream, let_go[process_of(one.member)]) for one in tickets)
    )
    names = [one.member.partition(":")[2] for one in tickets]
    return Spike(
        seconds=clock.monotonic() - begun,
        order=let_go,
        waits=dict(zip(names, waits, strict=True)),
    )

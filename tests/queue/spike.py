"""A spike: many requests arrive at once on several replicas in front of an upstream that enforces its limit."""

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
    """The result of a spike."""

    seconds: float
    order: dict[str, list[int]]
    """For each process, the arrival numbers of its answered requests, in the order in which they were sent."""
    waits: dict[str, float]
    """Seconds until each request was sent."""


@contextlib.asynccontextmanager
async def replicas(
    url: str, prefix: str, count: int = 3, lane_limits: LaneLimits | None = None
) -> AsyncIterator[list[Waiters]]:
    """Yield the waiters of `count` processes, each on a link of its own."""
    clock, made = SystemClock(), LaneLimits() if lane_limits is None else lane_limits
    links = [RedisLink(url, timeout=2.0, clock=clock) for _ in range(count)]
    waiters = [
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
    for link, each in zip(links, waiters, strict=True):
        await link.start()
        await each.start()
    try:
        yield waiters
    finally:
        for link, each in zip(links, waiters, strict=True):
            await each.close()
            await link.close()


def queue_entry(
    waiters: Waiters, name: str, *, flow: str = "harbour", weight: int = 4, patience: float = 300.0
) -> QueueEntry:
    deadline = SystemClock().now() + patience
    return QueueEntry(member=f"{waiters.process}:{name}", tokens=50, flow=flow, weight=weight, deadline=deadline)


async def call(waiters: Waiters, entry: QueueEntry, upstream: EnforcingUpstream, sent_order: list[int]) -> float:
    """Make one request as the pipeline does: wait, send, and after a 429 wait again at the same position."""
    clock = SystemClock()
    started = clock.monotonic()
    while True:
        place = await waiters.enter(LANE, entry)
        waited, sent = clock.monotonic() - started, clock.monotonic()
        sent_order.append(place.seq)
        reply = await upstream.send()
        limits, age = reported_limits(reply.headers), clock.monotonic() - sent
        if reply.ok:
            waiters.feedback.report_answer(LANE, entry.flow, limits, ok=True, age=age)
            return waited
        sent_order.remove(place.seq)
        waiters.feedback.report_rate_limit(
            LANE, entry.flow, limits, "requests", reply.wait, tokens=entry.tokens, age=age
        )
        entry = msgspec.structs.replace(entry, position=place)


async def spike(all_waiters: list[Waiters], upstream: EnforcingUpstream, entries: list[QueueEntry]) -> Spike:
    """Enter all requests at once, each in the process that it names."""
    clock, sent_order = SystemClock(), {waiters.process: list[int]() for waiters in all_waiters}
    by_process = {waiters.process: waiters for waiters in all_waiters}
    started = clock.monotonic()
    waits = await asyncio.gather(
        *(
            call(by_process[process_of(one.member)], one, upstream, sent_order[process_of(one.member)])
            for one in entries
        )
    )
    names = [one.member.partition(":")[2] for one in entries]
    return Spike(
        seconds=clock.monotonic() - started,
        order=sent_order,
        waits=dict(zip(names, waits, strict=True)),
    )

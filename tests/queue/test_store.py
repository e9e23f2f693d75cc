"""The scripts in Redis do what the model does, step by step, in any order of events."""

import math
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.queue.capacity_steps import (
    PROCESSES,
    Arrival,
    Step,
    burst_is_gone,
    histories,
    lane_limits,
    less_is_left,
    more_is_left,
)
from tidegate.core.errors import RedisUnavailable
from tidegate.queue.capacity import UpstreamCapacity
from tidegate.queue.messages import (
    CapacityReport,
    Granted,
    LaneLimits,
    Queued,
    QueueEntry,
    QueuePosition,
    QueueRejected,
    QueueVerdict,
    process_of,
)
from tidegate.queue.store import CapacityStore, parse_verdict
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink

LANE = "openai/gpt-4o-mini"
WIRE_NAMES = {
    "light_reserve": "kept",
    "successes_in_row": "run",
    "window": "ramp",
    "unanswered": "out",
    "unanswered_tokens": "out_tokens",
    "min_remaining": "least",
    "min_remaining_since": "least_since",
    "last_answer_at": "news",
    "window_cut_at": "cut_at",
    "rejections_in_row": "strikes",
    "unlimited": "free",
    "has_rejected": "wary",
}
"""The names under which Redis stores the fields of CapacityState, where they differ."""


def closed_for_long() -> list[Step]:
    """Return a history in which one request in thirty seconds looks, and the second finds the lane open."""
    arrival = ("arrive", Arrival(process="p", flow="a", weight=1, tokens=10, patience=5000.0, count=2))
    opened = CapacityReport(answered=1, succeeded=1, age=0.5)
    refused = CapacityReport(answered=1, rejection_kind="requests", retry_after=3600.0)
    tries = [arrival, ("pass", 31.0), ("pass", 1.0)]
    return [("learn", refused), *tries, ("learn", refused), *tries, ("learn", opened), arrival, ("pass", 1.0)]


def refused_among_successes() -> list[Step]:
    """Return a history of 429s, of which the first is alone among successes."""
    refused = CapacityReport(answered=1, rejection_kind="unnamed")
    return [("learn", CapacityReport(answered=30, succeeded=30)), ("learn", refused), ("learn", refused)]


class ModelAndRedis:
    """A lane in memory and one in Redis, run through the same steps."""

    def __init__(self, link: RedisLink, prefix: str, limits: LaneLimits) -> None:
        self.now = 1_790_000_000.0
        self.limits = limits
        self.model = UpstreamCapacity()
        self.prefix = prefix
        self.link = link
        self.store = CapacityStore(link, prefix=prefix, lane_limits=lambda _: limits)
        self.living = set(PROCESSES)
        self.entries: list[tuple[QueueEntry, QueuePosition]] = []
        self.count = 0
        self.deeds: dict[str, Callable[..., Awaitable[None]]] = {
            "arrive": self.arrive,
            "leave": self.leave,
            "return": self.come_again,
            "ask again": self.ask_again,
            "give back": self.give_back,
            "learn": self.learn,
            "pass": self.wait,
            "die": self.die,
        }

    async def begin(self) -> None:
        for process in PROCESSES:
            await self.store.announce_process(process, for_seconds=600.0, now=self.now)

    async def do(self, step: Step) -> None:
        step_name, what = step
        await self.deeds[step_name](what)

    async def enter(self, entry: QueueEntry) -> None:
        actual = await self.store.enter(LANE, entry, self.now)
        expected = self.model.enter(entry, self.limits, self.now)
        assert alike(actual, expected), f"{actual} is not {expected}"
        if not isinstance(expected, QueueRejected):
            self.entries.append((entry, expected.position))

    async def arrive(self, arrival: Arrival) -> None:
        for _ in range(arrival.count):
            self.count += 1
            await self.enter(
                QueueEntry(
                    member=f"{arrival.process}:r{self.count}",
                    tokens=arrival.tokens,
                    flow=arrival.flow,
                    weight=arrival.weight,
                    deadline=self.now + arrival.patience,
                )
            )

    async def leave(self, which: int) -> None:
        if self.entries:
            member = self.entries[which % len(self.entries)][0].member
            assert await self.store.leave(LANE, member, self.now) == self.model.leave(member)
            self.dispatch()

    async def come_again(self, which: int) -> None:
        if self.entries:
            entry, position = self.entries[which % len(self.entries)]
            await self.enter(msgspec.structs.replace(entry, position=position, deadline=self.now + 60.0))

    async def ask_again(self, which: int) -> None:
        if self.entries:
            await self.enter(self.entries[which % len(self.entries)][0])

    async def give_back(self, tokens: int) -> None:
        await self.store.give_back(LANE, tokens, self.now)
        self.model.give_back(QueueEntry(member="", tokens=tokens, flow="", weight=1, deadline=0.0), self.limits)
        self.dispatch()

    async def learn(self, report: CapacityReport) -> None:
        learnt = await self.store.learn(LANE, report, self.now)
        self.model.learn(report, self.limits, self.now)
        assert learnt.unlimited == self.model.state.unlimited
        assert learnt.dispatch_in == pytest.approx(self.dispatch(), abs=1e-5)

    async def wait(self, seconds: float) -> None:
        self.now += seconds
        again = await self.store.dispatch(LANE, self.now)
        assert (-1.0 if again is None else again) == pytest.approx(self.dispatch(), abs=1e-5)

    async def die(self, process: str) -> None:
        self.living.discard(process)
        await self.link.command("DEL", f"{{{self.prefix}}}:alive:{process}")

    def dispatch(self) -> float:
        _, again = self.model.dispatch(self.limits, self.now, self.living.__contains__)
        return -1.0 if again is None else again

    async def compare(self) -> None:
        """Assert that Redis stores the state of the model."""
        names, fair_queue = RedisNames(self.prefix), self.model.fair_queue
        flows = await self.link.command("HGETALL", names.of("lane_flows", LANE))
        stored_flows = {name.decode(): msgspec.msgpack.decode(packed) for name, packed in batched(flows)}
        assert set(stored_flows) == set(fair_queue.flows)
        for flow_id, flow in fair_queue.flows.items():
            members = await self.link.command("ZRANGE", names.of("lane_line", LANE, flow_id), 0, -1)
            assert [member.decode() for member in members] == [member for _, member in flow.members]
            expected = [len(flow.members), flow.tokens, flow.start_tag, flow.usage_until]
            assert stored_flows[flow_id] == pytest.approx(expected, abs=1e-9, rel=1e-15)
        assert await self.link.command("HLEN", names.of("lane_waiting", LANE)) == len(fair_queue.waiting)
        packed = await self.link.command("GET", names.of("lane", LANE))
        if packed:
            state = {WIRE_NAMES.get(name, name): value for name, value in asdict(self.model.state).items()}
            state |= {
                "clock": fair_queue.virtual_time,
                "latest": fair_queue.max_tag,
                "seq": fair_queue.next_seq,
                "tokens": fair_queue.waiting_tokens,
            }
            assert flat(msgspec.msgpack.decode(packed)) == pytest.approx(flat(state), abs=1e-9, rel=1e-15)


def batched(pairs: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(pairs[::2], pairs[1::2], strict=True))


def flat(state: dict[str, object]) -> dict[str, float]:
    figures = {}
    for name, value in state.items():
        for index, one in enumerate(value if isinstance(value, list) else [value]):
            figures[f"{name}{index}"] = float(one)
    return figures


def alike(actual: QueueVerdict, expected: QueueVerdict) -> bool:
    match actual, expected:
        case Granted(), Granted():
            return actual == expected
        case Queued(), Queued():
            near = math.isclose(actual.eta, expected.eta, abs_tol=1e-6) and abs(actual.ahead - expected.ahead) <= 1
            return near and actual.position == expected.position
        case QueueRejected(), QueueRejected():
            return actual.full == expected.full and math.isclose(actual.eta, expected.eta, abs_tol=1e-6)
    return False


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, limits=lane_limits)
@example(history=burst_is_gone(flood=16, few=1), limits=LaneLimits())
@example(history=burst_is_gone(flood=1, few=16), limits=LaneLimits())
@example(history=less_is_left(), limits=LaneLimits())
@example(history=more_is_left(), limits=LaneLimits())
@example(history=closed_for_long(), limits=LaneLimits())
@example(history=refused_among_successes(), limits=LaneLimits())
async def test_redis_and_the_model_agree(
    redis_link: RedisLink, redis_prefix: str, history: list[Step], limits: LaneLimits
) -> None:
    both = ModelAndRedis(redis_link, f"{redis_prefix}-{uuid.uuid4().hex[:8]}", limits)
    await both.begin()
    for step in history:
        await both.do(step)
        await both.compare()


def queue_entry(member: str, *, patience: float = 60.0) -> QueueEntry:
    return QueueEntry(member=member, tokens=10, flow="harbour", weight=4, deadline=1000.0 + patience)


async def test_an_operator_sees_the_waiting_requests(redis_link: RedisLink, redis_prefix: str) -> None:
    store = CapacityStore(redis_link, prefix=redis_prefix, lane_limits=lambda _: LaneLimits(rpm=60))
    await store.learn(LANE, CapacityReport(rpm=60, rpm_remaining=0), 1000.0)
    for number in range(5):
        assert isinstance(await store.enter(LANE, queue_entry(f"p:{number}"), 1000.0), Queued)
    (lane,) = await store.snapshot(1003.0, limit=2)
    assert (lane.name, lane.rpm, lane.tpm, lane.waiting, lane.unanswered) == (LANE, 60, 0, 5, 0)
    assert [(head.request, head.process, head.flow, head.waited, head.left) for head in lane.first_entries] == [
        ("0", "p", "harbour", 3.0, 57.0),
        ("1", "p", "harbour", 3.0, 57.0),
    ]


async def test_each_process_gets_its_grants_in_one_message(redis_link: RedisLink, redis_prefix: str) -> None:
    store = CapacityStore(redis_link, prefix=redis_prefix, lane_limits=lambda _: LaneLimits(rpm=6000))
    await store.learn(LANE, CapacityReport(rpm=6000, rpm_remaining=0), 1000.0)
    for number in range(6):
        await store.enter(LANE, queue_entry(f"{'pq'[number % 2]}:{number}"), 1000.0)
    for process in "pq":
        await store.announce_process(process, for_seconds=60.0, now=1000.0)
    async with redis_link.dedicated() as client, client.pubsub() as channel:
        await channel.psubscribe(f"{RedisNames(redis_prefix).start('lane_grants')}*")
        assert (await channel.get_message(timeout=5))["type"] == "psubscribe"
        assert await store.dispatch(LANE, 1001.0) is None
        heard = [await channel.get_message(timeout=5) for _ in "pq"]
    told = {
        message["channel"].decode().rpartition(":")[2]: [
            (grant if isinstance(grant, str) else grant[0]) for grant in msgspec.msgpack.decode(message["data"])
        ]
        for message in heard
    }
    assert told == {"p": [LANE, "p:0", "p:2", "p:4"], "q": [LANE, "q:1", "q:3", "q:5"]}


async def test_live_processes_are_counted(redis_link: RedisLink, redis_prefix: str) -> None:
    store = CapacityStore(redis_link, prefix=redis_prefix, lane_limits=lambda _: LaneLimits())
    assert await store.announce_process("p", for_seconds=3.0, now=1000.0) == 1
    assert await store.announce_process("q", for_seconds=3.0, now=1001.0) == 2
    assert await store.announce_process("q", for_seconds=3.0, now=1005.0) == 1


async def test_an_unused_lane_expires(redis_link: RedisLink, redis_prefix: str) -> None:
    store = CapacityStore(redis_link, prefix=redis_prefix, lane_limits=lambda _: LaneLimits(rpm=1))
    for number in range(3):
        await store.enter(LANE, queue_entry(f"p:{number}", patience=1e6), 1000.0)
    keys = await redis_link.command("KEYS", f"*{redis_prefix}*:lane*{LANE}*")
    assert len(keys) == 4
    for key in keys:
        assert 0 < await redis_link.command("TTL", key) <= 86400


def test_an_unknown_reply_is_no_verdict() -> None:
    with pytest.raises(TypeError):
        parse_verdict([b"maybe"])


async def test_while_redis_is_away_it_raises_redis_unavailable(redis_prefix: str, redis_link: RedisLink) -> None:
    store = CapacityStore(redis_link, prefix=redis_prefix, lane_limits=lambda _: LaneLimits())
    await redis_link.close()
    with pytest.raises(RedisUnavailable):
        await store.enter(LANE, queue_entry("p:1"), 1000.0)


def test_a_member_names_its_process() -> None:
    assert process_of("p-1:request:2") == "p-1"

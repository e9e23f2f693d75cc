"""Lanes in Redis: the arguments and replies of the queue's Lua scripts.

`Waiters` and `CapacityFeedback` call them; the queue report reads snapshots.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tidegate.queue.messages import (
    CapacityReport,
    Granted,
    LaneLimits,
    Queued,
    QueueEntry,
    QueuePosition,
    QueueRejected,
    QueueVerdict,
)
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import Argument, RedisLink, Script


class LearnOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a lane after a report."""

    unlimited: bool
    """The upstream has no limits, as far as is known."""
    rpm: int
    tpm: int
    """0 where unknown."""
    dispatch_in: float
    """Seconds until the next dispatch is worth it; negative where no request waits."""


class WaitingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A waiting request, as an operator sees it."""

    request: str
    process: str
    flow: str
    weight: int
    tokens: int
    waited: float
    """Seconds so far."""
    left: float
    """Seconds to its deadline."""


class LaneSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A lane that has a queue, or had one in the last day."""

    name: str
    rpm: int
    tpm: int
    """Learnt limits; 0 where unknown."""
    waiting: int
    unanswered: int
    held_for: float
    """Seconds for which the upstream has asked the gateway to send nothing."""
    first_entries: tuple[WaitingEntry, ...]
    """The first waiting requests, in the order in which they will be sent."""


class CapacityStore:
    """The lanes that all replicas share. Each method is one atomic step and raises RedisUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str, lane_limits: Callable[[str], LaneLimits]) -> None:
        """`lane_limits` returns the configured limits of a lane by its name."""
        self._link = link
        self._names = RedisNames(prefix)
        self._lane_limits = lane_limits
        self._enter, self._dispatch = Script("queue_enter"), Script("queue_dispatch")
        self._leave, self._snapshot = Script("queue_leave"), Script("queue_snapshot")
        self._resume = Script("capacity_resume")
        self._learn, self._announce_process = Script("capacity_learn"), Script("announce_process")

    async def enter(self, lane: str, entry: QueueEntry, now: float) -> QueueVerdict:
        """Take capacity or a position in the queue; return the position of an entry that waits already."""
        seq = "" if entry.position is None else entry.position.seq
        arguments = (entry.member, entry.tokens, entry.flow, entry.weight, repr(entry.deadline), seq)
        return parse_verdict(await self._run(self._enter, lane, now, *arguments))

    async def dispatch(self, lane: str, now: float) -> float | None:
        """Grant what the capacity allows; return the seconds until the next dispatch, None where no request waits."""
        _, seconds = await self._run(self._dispatch, lane, now)
        return _seconds_or_none(seconds)

    async def leave(self, lane: str, member: str, now: float) -> bool:
        """Remove a member from the queue; return False if it does not wait."""
        waited, _, _ = await self._run(self._leave, lane, now, member, -1)
        return bool(waited)

    async def give_back(self, lane: str, tokens: int, now: float) -> None:
        """Return the grant of a request that was not sent."""
        await self._run(self._leave, lane, now, "", tokens)

    async def learn(self, lane: str, report: CapacityReport, now: float) -> LearnOutcome:
        """Apply what responses said about the upstream's limits."""
        unlimited, rpm, tpm, dispatch_in = await self._run(self._learn, lane, now, msgspec.json.encode(report))
        return LearnOutcome(unlimited=bool(unlimited), rpm=int(rpm), tpm=int(tpm), dispatch_in=float(dispatch_in))

    async def end_waits(self, credential: str, lanes: Iterable[str], now: float) -> None:
        """End the waits that the upstream asked of a credential, `provider/name`: in these lanes and in known ones."""
        await self._link.run(self._resume, (), (self._names.tag, repr(now), f"{credential}/", *lanes))

    async def announce_process(self, process: str, *, for_seconds: float, now: float) -> int:
        """Announce that a process is alive; return the number of live processes."""
        keys = (self._names.of("alive", process), self._names.of("processes"))
        return int(await self._link.run(self._announce_process, keys, (process, int(for_seconds * 1000), repr(now))))

    async def snapshot(self, now: float, *, limit: int) -> tuple[LaneSnapshot, ...]:
        """Return all lanes with a queue, and the first `limit` entries of each."""
        reply = await self._link.run(self._snapshot, (), (self._names.tag, repr(now), limit))
        return tuple(_parse_lane(line, now) for line in reply)

    async def _run(self, script: Script, lane: str, now: float, *more: Argument) -> Any:
        limits = self._lane_limits(lane)
        fixed = (self._names.tag, lane, repr(now), limits.rpm, limits.tpm, limits.max_waiting)
        return await self._link.run(script, (), (*fixed, *more))


def parse_verdict(reply: Any) -> QueueVerdict:
    """Return the verdict in the reply of the script `queue_enter` or `admit`."""
    match reply:
        case [b"granted", seq]:
            return Granted(QueuePosition(int(seq)))
        case [b"queued", seq, eta, ahead]:
            return Queued(QueuePosition(int(seq)), float(eta), int(ahead))
        case [b"refused", eta, full]:
            return QueueRejected(float(eta), full=bool(full))
    raise TypeError(f"not a verdict of the queue: {reply!r}")


def _seconds_or_none(text: bytes) -> float | None:
    seconds = float(text)
    return seconds if seconds >= 0 else None


def _parse_lane(line: Any, now: float) -> LaneSnapshot:
    name, packed, waiting, *heads = line
    state = msgspec.json.decode(packed)
    return LaneSnapshot(
        name=name.decode(),
        rpm=int(state["limits"][0]),
        tpm=int(state["limits"][1]),
        waiting=int(waiting),
        unanswered=int(state["out"]),
        held_for=max(0.0, state["not_before"] - now),
        first_entries=tuple(_parse_entry(head, now) for head in heads),
    )


def _parse_entry(head: Any, now: float) -> WaitingEntry:
    member, flow, weight, tokens, since, deadline = head
    process, _, request = member.decode().partition(":")
    return WaitingEntry(
        request=request,
        process=process,
        flow=flow.decode(),
        weight=int(weight),
        tokens=int(tokens),
        waited=now - float(since),
        left=float(deadline) - now,
    )

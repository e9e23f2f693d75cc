"""Lanes in Redis: the scripts' arguments and replies."""

from collections.abc import Callable
from typing import Any

import msgspec

from tidegate.queue.messages import Granted, LaneTerms, Place, Queued, Refused, Report, Ticket, Verdict
from tidegate.storage.redis import Argument, RedisLink, Script


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What a lane knows after a report."""

    free: bool
    """The upstream has no limits, as far as anyone can tell."""
    rpm: int
    tpm: int
    """0 where unknown."""
    again: float
    """Seconds until it is worth dispatching; negative where nobody waits."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One who waits, as an operator sees it."""

    request: str
    process: str
    flow: str
    weight: int
    tokens: int
    waited: float
    """Seconds so far."""
    left: float
    """Seconds to its deadline."""


class LaneShown(msgspec.Struct, frozen=True, kw_only=True):
    """A lane that has, or lately had, a queue."""

    name: str
    rpm: int
    tpm: int
    """Learnt; 0 where unknown."""
    waiting: int
    unanswered: int
    held_for: float
    """Seconds for which the upstream's word holds everybody back."""
    heads: tuple[Waiting, ...]
    """Those who wait, in the order of their going; not more than were asked for."""


class LaneStore:
    """Every replica's lanes. Each method is one atomic step and raises RedisUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str, terms: Callable[[str], LaneTerms]) -> None:
        """`terms` gives what the configuration says of a lane, by its name."""
        self._link = link
        self._prefix = f"{{{prefix}}}"
        self._terms = terms
        self._enter, self._dispatch = Script("lane_enter"), Script("lane_dispatch")
        self._leave, self._learn, self._show = Script("lane_leave"), Script("lane_learn"), Script("lane_show")
        self._alive = Script("alive")

    async def enter(self, lane: str, ticket: Ticket, now: float) -> Verdict:
        """Take capacity, or a place in the queue; who waits already is told where."""
        seq = "" if ticket.place is None else ticket.place.seq
        asked = (ticket.member, ticket.tokens, ticket.flow, ticket.weight, repr(ticket.deadline), seq)
        return read_verdict(await self._run(self._enter, lane, now, *asked))

    async def dispatch(self, lane: str, now: float) -> float | None:
        """Grant what fits; seconds until it is worth asking again, None where nobody waits."""
        _, again = await self._run(self._dispatch, lane, now)
        return _again(again)

    async def leave(self, lane: str, member: str, now: float) -> bool:
        """Give up a place in the queue; False if the member does not wait."""
        waited, _, _ = await self._run(self._leave, lane, now, member, -1)
        return bool(waited)

    async def give_back(self, lane: str, tokens: int, now: float) -> None:
        """Give back the grant of a call that was never sent."""
        await self._run(self._leave, lane, now, "", tokens)

    async def learn(self, lane: str, report: Report, now: float) -> Learnt:
        """Take in what answers said."""
        free, rpm, tpm, again = await self._run(self._learn, lane, now, msgspec.json.encode(report))
        return Learnt(free=bool(free), rpm=int(rpm), tpm=int(tpm), again=float(again))

    async def alive(self, process: str, *, for_seconds: float, now: float) -> int:
        """Say that a process lives; how many do."""
        keys = (f"{self._prefix}:alive:{process}", f"{self._prefix}:processes")
        return int(await self._link.run(self._alive, keys, (process, int(for_seconds * 1000), repr(now))))

    async def show(self, now: float, *, most: int) -> tuple[LaneShown, ...]:
        """All lanes with a queue, and the first `most` of each."""
        reply = await self._link.run(self._show, (), (self._prefix, repr(now), most))
        return tuple(_shown(line, now) for line in reply)

    async def _run(self, script: Script, lane: str, now: float, *more: Argument) -> Any:
        terms = self._terms(lane)
        fixed = (self._prefix, lane, repr(now), terms.rpm, terms.tpm, terms.longest)
        return await self._link.run(script, (), (*fixed, *more))


def read_verdict(reply: Any) -> Verdict:
    """What `lane_enter` (and whoever else asks a lane) replies."""
    match reply:
        case [b"granted", seq]:
            return Granted(Place(int(seq)))
        case [b"queued", seq, eta, ahead]:
            return Queued(Place(int(seq)), float(eta), int(ahead))
        case [b"refused", eta, full]:
            return Refused(float(eta), full=bool(full))
    raise TypeError(f"no verdict: {reply!r}")


def _again(text: bytes) -> float | None:
    seconds = float(text)
    return seconds if seconds >= 0 else None


def _shown(line: Any, now: float) -> LaneShown:
    name, packed, waiting, *heads = line
    state = msgspec.json.decode(packed)
    return LaneShown(
        name=name.decode(),
        rpm=int(state["limits"][0]),
        tpm=int(state["limits"][1]),
        waiting=int(waiting),
        unanswered=int(state["out"]),
        held_for=max(0.0, state["not_before"] - now),
        heads=tuple(_head(head, now) for head in heads),
    )


def _head(head: Any, now: float) -> Waiting:
    member, flow, weight, tokens, since, deadline = head
    process, _, request = member.decode().partition(":")
    return Waiting(
        request=request,
        process=process,
        flow=flow.decode(),
        weight=int(weight),
        tokens=int(tokens),
        waited=now - float(since),
        left=float(deadline) - now,
    )

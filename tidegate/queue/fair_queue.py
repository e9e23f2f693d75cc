"""Who goes next of those who wait for one lane: fair between flows, first come first served within each; pure.

Start-time fair queueing (Goyal, Vin, Cheng 1996): a flow's tag is its place in virtual time, each turn moves it on by
what the turn takes of the lane, over its weight. Of the flows that are not more than LEAD ahead of the one furthest
behind, the one that asked for the least lately goes first: so a few calls do not wait beside a thousand. Whatever they
do, no flow is ever further ahead of one that waits than that. The decision record 0031 gives the reasons.
"""

import bisect
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from tidegate.queue.messages import Place, Ticket

LEAD = 5.0
"""Turns of weight 1 by which a flow may be ahead of another: twenty of normal priority."""
SHARE = 0.1
"""The part of the lane at which what a flow has used is forgotten again."""
LONGEST_USE = 120.0
"""Seconds until all of it is."""

Work = Callable[[float, float], float]
"""What so many calls with so many tokens take of the lane: seconds, or calls where no limit is known."""


class Waiter(msgspec.Struct, frozen=True):
    """One who waits."""

    ticket: Ticket
    place: Place
    since: float


@dataclass(slots=True)
class Flow:
    """One flow: what it had, and who of it waits."""

    weight: int
    tag: float = 0.0
    used: float = 0.0
    """When its share of the lane has caught up with what it was granted."""
    tokens: int = 0
    line: list[tuple[int, str]] = field(default_factory=list)
    """Those who wait: seq and member."""

    def used_for(self, now: float) -> float:
        """Seconds until its share has caught up."""
        return max(0.0, min(self.used - now, LONGEST_USE))


class Order:
    """The flows of one lane."""

    def __init__(self) -> None:
        """Nobody waits."""
        self.clock = 0.0
        """The virtual time: the least tag of a flow that waits."""
        self.latest = 0.0
        """The greatest tag of any flow."""
        self.seq = 0
        self.tokens = 0
        """Of all who wait."""
        self.flows: dict[str, Flow] = {}
        self.waiting: dict[str, Waiter] = {}

    def __repr__(self) -> str:
        return f"<Order of {len(self.waiting)}>"

    # deciding

    def waits(self, stream: str) -> bool:
        """Whether anybody of a flow waits."""
        return stream in self.flows and bool(self.flows[stream].line)

    def used(self, stream: str, now: float) -> float:
        """Seconds until a flow's share has caught up with what it was granted."""
        return self.flows[stream].used_for(now) if stream in self.flows else 0.0

    def next(self, work: Work, now: float) -> Waiter | None:
        """Whose turn it is; None where nobody waits."""
        if not self.waiting:
            return None
        self._forget_idle(now)
        waiting = [(stream, flow) for stream, flow in self.flows.items() if flow.line]
        behind = min(flow.tag for _, flow in waiting)
        self.clock = max(self.clock, behind)
        reach = behind + self._lead(work)
        _, _, stream = min(
            (self._demand(flow, len(flow.line), flow.tokens, work, now), flow.tag, stream)
            for stream, flow in waiting
            if flow.tag <= reach
        )
        return self.waiting[self.flows[stream].line[0][1]]

    def ahead(self, ticket: Ticket, work: Work, now: float) -> tuple[float, float]:
        """Calls and tokens that will go before a call that waits, or would, as far as can be told now."""
        mine = self.flows.get(ticket.stream) or Flow(ticket.weight)
        waiter = self.waiting.get(ticket.member)
        place = waiter.place if waiter else ticket.place
        before = bisect.bisect_left(mine.line, (place.seq, ticket.member)) if place else len(mine.line)
        calls, tokens = float(before), mine.tokens * before / max(1, len(mine.line))
        start = self._start(mine) + work(calls, tokens) / mine.weight
        joined = (len(mine.line), mine.tokens) if waiter else (len(mine.line) + 1, mine.tokens + ticket.tokens)
        demand = self._demand(mine, *joined, work, now)
        for stream, flow in self.flows.items():
            if flow.line and stream != ticket.stream:
                waiting = len(flow.line), flow.tokens
                lead = self._lead(work) if self._demand(flow, *waiting, work, now) < demand else -self._lead(work)
                part = (start + lead - flow.tag) * flow.weight / work(*waiting)
                part = max(0.0, min(part, 1.0))
                calls, tokens = calls + part * waiting[0], tokens + part * waiting[1]
        return calls, tokens

    # changing

    def charge(self, ticket: Ticket, seconds: float, work: Work, now: float) -> None:
        """A call has its turn, which takes so many seconds of the lane."""
        flow = self._flow(ticket)
        flow.tag = max(flow.tag, self.clock) + work(1, ticket.tokens) / flow.weight
        flow.used = now + min(flow.used_for(now) + seconds / SHARE, LONGEST_USE)
        self.latest = max(self.latest, flow.tag)
        self.seq += 1

    def join(self, ticket: Ticket, place: Place, work: Work, now: float) -> None:
        """Put a call in its place. One that comes again had a turn for nothing; its flow gets it back."""
        if not self.waiting:
            self.clock = max(self.clock, self.latest)
        flow = self._flow(ticket)
        start = self._start(flow)
        if ticket.place is not None:
            turn = work(1, ticket.tokens)
            start = min(start, max(start - turn / flow.weight, self.clock - LEAD * turn))
        flow.tag = start
        bisect.insort(flow.line, (place.seq, ticket.member))
        flow.tokens += ticket.tokens
        self.tokens += ticket.tokens
        self.waiting[ticket.member] = Waiter(ticket, place, now)
        self.seq = max(self.seq, place.seq) + 1

    def leave(self, member: str) -> bool:
        """Somebody waits no longer; False if nobody of that name did."""
        waiter = self.waiting.pop(member, None)
        if waiter is None:
            return False
        flow = self.flows[waiter.ticket.stream]
        del flow.line[bisect.bisect_left(flow.line, (waiter.place.seq, member))]
        flow.tokens -= waiter.ticket.tokens
        self.tokens -= waiter.ticket.tokens
        return True

    # parts of these

    def _flow(self, ticket: Ticket) -> Flow:
        return self.flows.setdefault(ticket.stream, Flow(ticket.weight))

    def _start(self, flow: Flow) -> float:
        """The tag of the flow's next turn: what it did not use while it did not wait is gone."""
        return flow.tag if flow.line else max(flow.tag, self.clock)

    def _lead(self, work: Work) -> float:
        """How far ahead a flow may be, in turns of the usual size."""
        return LEAD * work(1, self.tokens / max(1, len(self.waiting)))

    def _demand(self, flow: Flow, calls: int, tokens: int, work: Work, now: float) -> float:
        """What a flow asks for, and what it had lately, for its weight."""
        return (flow.used_for(now) * SHARE + work(calls, tokens)) / flow.weight

    def _forget_idle(self, now: float) -> None:
        for stream, flow in list(self.flows.items()):
            if not flow.line and flow.tag <= self.clock and flow.used <= now:
                del self.flows[stream]

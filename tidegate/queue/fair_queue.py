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

from tidegate.queue.messages import QueueEntry, QueuePosition

MAX_LEAD = 5.0
"""Turns of weight 1 by which a flow may be ahead of another: twenty of normal priority."""
USAGE_SHARE = 0.1
"""The part of the lane at which what a flow has used is forgotten again."""
MAX_USAGE_SECONDS = 120.0
"""Seconds until all of it is."""

ServiceTime = Callable[[float, float], float]
"""What so many calls with so many tokens take of the lane: seconds, or calls where no limit is known."""


class Waiter(msgspec.Struct, frozen=True):
    """One who waits."""

    entry: QueueEntry
    position: QueuePosition
    since: float


@dataclass(slots=True)
class Flow:
    """One flow: what it had, and who of it waits."""

    weight: int
    start_tag: float = 0.0
    usage_until: float = 0.0
    """When its share of the lane has caught up with what it was granted."""
    tokens: int = 0
    members: list[tuple[int, str]] = field(default_factory=list)
    """Those who wait: seq and member."""

    def usage_seconds(self, now: float) -> float:
        """Seconds until its share has caught up."""
        return max(0.0, min(self.usage_until - now, MAX_USAGE_SECONDS))


class FairQueue:
    """The flows of one lane."""

    def __init__(self) -> None:
        """Nobody waits."""
        self.virtual_time = 0.0
        """The virtual time: the least tag of a flow that waits."""
        self.max_tag = 0.0
        """The greatest tag of any flow."""
        self.next_seq = 0
        self.waiting_tokens = 0
        """Of all who wait."""
        self.flows: dict[str, Flow] = {}
        self.waiting: dict[str, Waiter] = {}

    def __repr__(self) -> str:
        return f"<Order of {len(self.waiting)}>"

    # deciding

    def has_waiting(self, stream: str) -> bool:
        """Whether anybody of a flow waits."""
        return stream in self.flows and bool(self.flows[stream].members)

    def usage_seconds(self, stream: str, now: float) -> float:
        """Seconds until a flow's share has caught up with what it was granted."""
        return self.flows[stream].usage_seconds(now) if stream in self.flows else 0.0

    def peek(self, work: ServiceTime, now: float) -> Waiter | None:
        """Whose turn it is; None where nobody waits."""
        if not self.waiting:
            return None
        self._forget_idle(now)
        waiting = [(stream, flow) for stream, flow in self.flows.items() if flow.members]
        behind = min(flow.start_tag for _, flow in waiting)
        self.virtual_time = max(self.virtual_time, behind)
        reach = behind + self._max_lead(work)
        _, _, stream = min(
            (self._weighted_demand(flow, len(flow.members), flow.tokens, work, now), flow.start_tag, stream)
            for stream, flow in waiting
            if flow.start_tag <= reach
        )
        return self.waiting[self.flows[stream].members[0][1]]

    def work_ahead(self, ticket: QueueEntry, work: ServiceTime, now: float) -> tuple[float, float]:
        """Calls and tokens that will go before a call that waits, or would, as far as can be told now."""
        mine = self.flows.get(ticket.flow_id) or Flow(ticket.weight)
        waiter = self.waiting.get(ticket.member)
        place = waiter.position if waiter else ticket.position
        before = bisect.bisect_left(mine.members, (place.seq, ticket.member)) if place else len(mine.members)
        calls, tokens = float(before), mine.tokens * before / max(1, len(mine.members))
        start = self._start_tag(mine) + work(calls, tokens) / mine.weight
        joined = (len(mine.members), mine.tokens) if waiter else (len(mine.members) + 1, mine.tokens + ticket.tokens)
        demand = self._weighted_demand(mine, *joined, work, now)
        for stream, flow in self.flows.items():
            if flow.members and stream != ticket.flow_id:
                waiting = len(flow.members), flow.tokens
                lead = (
                    self._max_lead(work)
                    if self._weighted_demand(flow, *waiting, work, now) < demand
                    else -self._max_lead(work)
                )
                part = (start + lead - flow.start_tag) * flow.weight / work(*waiting)
                part = max(0.0, min(part, 1.0))
                calls, tokens = calls + part * waiting[0], tokens + part * waiting[1]
        return calls, tokens

    # changing

    def charge(self, ticket: QueueEntry, seconds: float, work: ServiceTime, now: float) -> None:
        """A call has its turn, which takes so many seconds of the lane."""
        flow = self._flow(ticket)
        flow.start_tag = max(flow.start_tag, self.virtual_time) + work(1, ticket.tokens) / flow.weight
        flow.usage_until = now + min(flow.usage_seconds(now) + seconds / USAGE_SHARE, MAX_USAGE_SECONDS)
        self.max_tag = max(self.max_tag, flow.start_tag)
        self.next_seq += 1

    def push(self, ticket: QueueEntry, place: QueuePosition, work: ServiceTime, now: float) -> None:
        """Put a call in its place. One that comes again had a turn for nothing; its flow gets it back."""
        if not self.waiting:
            self.virtual_time = max(self.virtual_time, self.max_tag)
        flow = self._flow(ticket)
        start = self._start_tag(flow)
        if ticket.position is not None:
            turn = work(1, ticket.tokens)
            start = min(start, max(start - turn / flow.weight, self.virtual_time - MAX_LEAD * turn))
        flow.start_tag = start
        bisect.insort(flow.members, (place.seq, ticket.member))
        flow.tokens += ticket.tokens
        self.waiting_tokens += ticket.tokens
        self.waiting[ticket.member] = Waiter(ticket, place, now)
        self.next_seq = max(self.next_seq, place.seq) + 1

    def remove(self, member: str) -> bool:
        """Somebody waits no longer; False if nobody of that name did."""
        waiter = self.waiting.pop(member, None)
        if waiter is None:
            return False
        flow = self.flows[waiter.entry.flow_id]
        del flow.members[bisect.bisect_left(flow.members, (waiter.position.seq, member))]
        flow.tokens -= waiter.entry.tokens
        self.waiting_tokens -= waiter.entry.tokens
        return True

    # parts of these

    def _flow(self, ticket: QueueEntry) -> Flow:
        return self.flows.setdefault(ticket.flow_id, Flow(ticket.weight))

    def _start_tag(self, flow: Flow) -> float:
        """The tag of the flow's next turn: what it did not use while it did not wait is gone."""
        return flow.start_tag if flow.members else max(flow.start_tag, self.virtual_time)

    def _max_lead(self, work: ServiceTime) -> float:
        """How far ahead a flow may be, in turns of the usual size."""
        return MAX_LEAD * work(1, self.waiting_tokens / max(1, len(self.waiting)))

    def _weighted_demand(self, flow: Flow, calls: int, tokens: int, work: ServiceTime, now: float) -> float:
        """What a flow asks for, and what it had lately, for its weight."""
        return (flow.usage_seconds(now) * USAGE_SHARE + work(calls, tokens)) / flow.weight

    def _forget_idle(self, now: float) -> None:
        for stream, flow in list(self.flows.items()):
            if not flow.members and flow.start_tag <= self.virtual_time and flow.usage_until <= now:
                del self.flows[stream]

"""Which waiting request of a lane goes next: weighted fair queueing between flows, first come first served within one.

The algorithm is start-time fair queueing (SFQ; Goyal, Vin, Cheng 1996). A flow is a project and the weight of a
priority. Its start tag is its position in virtual time: each grant moves the tag on by the service time that the
request takes of the lane, divided by the flow's weight. So a flow of weight 4 is served four times as often as one of
weight 1.
Virtual time is the smallest start tag of the flows that wait. A flow that was idle continues there: it cannot save up
service.

SFQ serves the flow with the smallest start tag. This queue gives that some slack: among the flows that are at most
MAX_LEAD ahead of the smallest tag, the one with the smallest weighted demand goes first, which is its recent usage plus
its backlog. So a project with a few requests does not wait behind another project's thousand; and because of the lead's
bound, a flow that waits never falls further behind than that. Recent usage is one number, as in GCRA: `usage_until`. A
grant moves it on by the seconds it takes divided by USAGE_SHARE, so usage is forgotten at a tenth of the lane's rate.

`UpstreamCapacity` calls this; `storage/lua/fair_queue.lua` does the same in Redis. The decision record 0031 gives the
reasons. No I/O.
"""

import bisect
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from tidegate.queue.messages import QueueEntry, QueuePosition

MAX_LEAD = 5.0
"""Requests of weight 1 by which a flow may be ahead of another: twenty of normal priority, which has weight 4."""
USAGE_SHARE = 0.1
"""The share of the lane's rate at which a flow's usage is forgotten."""
MAX_USAGE_SECONDS = 120.0
"""The most seconds until a flow's usage is forgotten."""

ServiceTime = Callable[[float, float], float]
"""Return the service time of this many requests and tokens: seconds, or requests where no limit is known."""


class Waiter(msgspec.Struct, frozen=True):
    """A waiting entry."""

    entry: QueueEntry
    position: QueuePosition
    since: float


@dataclass(slots=True)
class Flow:
    """One flow: its tag, its usage and its waiting members."""

    weight: int
    start_tag: float = 0.0
    usage_until: float = 0.0
    """When its usage is forgotten, in Unix seconds."""
    tokens: int = 0
    members: list[tuple[int, str]] = field(default_factory=list)
    """The waiting members, with their sequence numbers, in order."""

    def usage_seconds(self, now: float) -> float:
        """Return the seconds until its usage is forgotten."""
        return max(0.0, min(self.usage_until - now, MAX_USAGE_SECONDS))


class FairQueue:
    """The flows of one lane and their waiting entries."""

    def __init__(self) -> None:
        """Begin empty."""
        self.virtual_time = 0.0
        """The smallest start tag of the flows that wait; it never goes back."""
        self.max_tag = 0.0
        """The largest start tag of any flow."""
        self.next_seq = 0
        self.waiting_tokens = 0
        """The tokens of all waiting entries."""
        self.flows: dict[str, Flow] = {}
        self.waiting: dict[str, Waiter] = {}

    def __repr__(self) -> str:
        return f"<Order of {len(self.waiting)}>"

    # the methods below only read

    def has_waiting(self, flow_id: str) -> bool:
        """Return whether entries of a flow wait."""
        return flow_id in self.flows and bool(self.flows[flow_id].members)

    def usage_seconds(self, flow_id: str, now: float) -> float:
        """Return the seconds until a flow's usage is forgotten."""
        return self.flows[flow_id].usage_seconds(now) if flow_id in self.flows else 0.0

    def peek(self, service_time: ServiceTime, now: float) -> Waiter | None:
        """Return the entry that goes next, None where no entry waits. Idle flows are forgotten."""
        if not self.waiting:
            return None
        self._forget_idle(now)
        waiting = [(flow_id, flow) for flow_id, flow in self.flows.items() if flow.members]
        min_tag = min(flow.start_tag for _, flow in waiting)
        self.virtual_time = max(self.virtual_time, min_tag)
        reach = min_tag + self._max_lead(service_time)
        _, _, flow_id = min(
            (self._weighted_demand(flow, len(flow.members), flow.tokens, service_time, now), flow.start_tag, flow_id)
            for flow_id, flow in waiting
            if flow.start_tag <= reach
        )
        return self.waiting[self.flows[flow_id].members[0][1]]

    def work_ahead(self, entry: QueueEntry, service_time: ServiceTime, now: float) -> tuple[float, float]:
        """Estimate the requests and tokens that go before an entry, whether it waits already or would join now.

        Of another flow those go first whose tags are below the entry's own, give or take the lead: a flow with less
        demand may be MAX_LEAD ahead of it, one with more demand goes after it as soon as it is that much behind.
        """
        mine = self.flows.get(entry.flow_id) or Flow(entry.weight)
        waiter = self.waiting.get(entry.member)
        position = waiter.position if waiter else entry.position
        before = bisect.bisect_left(mine.members, (position.seq, entry.member)) if position else len(mine.members)
        calls, tokens = float(before), mine.tokens * before / max(1, len(mine.members))
        start = self._start_tag(mine) + service_time(calls, tokens) / mine.weight
        joined = (len(mine.members), mine.tokens) if waiter else (len(mine.members) + 1, mine.tokens + entry.tokens)
        demand = self._weighted_demand(mine, *joined, service_time, now)
        for flow_id, flow in self.flows.items():
            if flow.members and flow_id != entry.flow_id:
                waiting = len(flow.members), flow.tokens
                lead = (
                    self._max_lead(service_time)
                    if self._weighted_demand(flow, *waiting, service_time, now) < demand
                    else -self._max_lead(service_time)
                )
                part = (start + lead - flow.start_tag) * flow.weight / service_time(*waiting)
                part = max(0.0, min(part, 1.0))
                calls, tokens = calls + part * waiting[0], tokens + part * waiting[1]
        return calls, tokens

    # the methods below change the queue

    def charge(self, entry: QueueEntry, seconds: float, service_time: ServiceTime, now: float) -> None:
        """Charge a granted entry to its flow: `seconds` of the lane."""
        flow = self._flow(entry)
        flow.start_tag = max(flow.start_tag, self.virtual_time) + service_time(1, entry.tokens) / flow.weight
        flow.usage_until = now + min(flow.usage_seconds(now) + seconds / USAGE_SHARE, MAX_USAGE_SECONDS)
        self.max_tag = max(self.max_tag, flow.start_tag)
        self.next_seq += 1

    def push(self, entry: QueueEntry, position: QueuePosition, service_time: ServiceTime, now: float) -> None:
        """Put an entry into its position.

        An entry that comes back after a 429 was charged for nothing: its flow's tag moves back by that service time,
        but to no more than MAX_LEAD behind virtual time.
        """
        if not self.waiting:
            self.virtual_time = max(self.virtual_time, self.max_tag)
        flow = self._flow(entry)
        start = self._start_tag(flow)
        if entry.position is not None:
            cost = service_time(1, entry.tokens)
            start = min(start, max(start - cost / flow.weight, self.virtual_time - MAX_LEAD * cost))
        flow.start_tag = start
        bisect.insort(flow.members, (position.seq, entry.member))
        flow.tokens += entry.tokens
        self.waiting_tokens += entry.tokens
        self.waiting[entry.member] = Waiter(entry, position, now)
        self.next_seq = max(self.next_seq, position.seq) + 1

    def remove(self, member: str) -> bool:
        """Remove a member; return False if it does not wait."""
        waiter = self.waiting.pop(member, None)
        if waiter is None:
            return False
        flow = self.flows[waiter.entry.flow_id]
        del flow.members[bisect.bisect_left(flow.members, (waiter.position.seq, member))]
        flow.tokens -= waiter.entry.tokens
        self.waiting_tokens -= waiter.entry.tokens
        return True

    # helpers

    def _flow(self, entry: QueueEntry) -> Flow:
        return self.flows.setdefault(entry.flow_id, Flow(entry.weight))

    def _start_tag(self, flow: Flow) -> float:
        """Return the start tag of the flow's next request: service that it missed while idle is not made up for."""
        return flow.start_tag if flow.members else max(flow.start_tag, self.virtual_time)

    def _max_lead(self, service_time: ServiceTime) -> float:
        """Return how far ahead a flow may be in virtual time: MAX_LEAD requests of average size."""
        return MAX_LEAD * service_time(1, self.waiting_tokens / max(1, len(self.waiting)))

    def _weighted_demand(self, flow: Flow, calls: int, tokens: int, service_time: ServiceTime, now: float) -> float:
        """Return a flow's recent usage and backlog, divided by its weight."""
        return (flow.usage_seconds(now) * USAGE_SHARE + service_time(calls, tokens)) / flow.weight

    def _forget_idle(self, now: float) -> None:
        for flow_id, flow in list(self.flows.items()):
            if not flow.members and flow.start_tag <= self.virtual_time and flow.usage_until <= now:
                del self.flows[flow_id]

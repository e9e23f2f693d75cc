"""The upstream's capacity for one credential and model, and the queue in front of it, as a pure model.

It is the specification that `lua/lane.lua` is held against, step by step, and what a process goes by while Redis is
away. Rates are buckets by virtual scheduling (ITU-T I.371): one number each, the moment when the bucket is full again.
The order is start-time fair queueing (Goyal, Vin, Cheng 1996). The decision record 0008 gives the reasons.
"""

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from tidegate.admission.tickets import Granted, LaneTerms, Place, Queued, Refused, Report, Ticket, Verdict, process_of

SPAN = 60.0
"""Seconds in which a bucket refills: limits are per minute."""
MARGIN = 0.1
"""Seconds of refill that are never used, because calls overtake each other on their way."""
START = 3.0
"""Calls that may be unanswered at first, and after an outage: a drained upstream refuses them all."""
LEAST = 1.0
"""Calls that may be unanswered however often the upstream refuses."""
MOST = 10_000.0
PACE = 0.25
"""Seconds' worth of calls that the sustained rate allows at once, whatever `ramp` says."""
RESERVE = 6.0
"""Seconds of refill, a tenth of a bucket, kept for flows that have not used their share lately."""
SHARE = 0.1
FREE_AT = 64.0
"""`ramp` at which an upstream that never named a limit nor refused is taken to have none."""
QUIET = 60.0
"""Seconds without news after which unanswered calls count as lost."""
STEP = 5.0
"""Seconds; moments further ahead say that the clock was set back. Replicas' clocks may differ by less."""
LONGEST_BACKOFF = 32.0
BATCH = 200
"""Grants of one dispatch, so that it never holds Redis for long."""
LOOK_AGAIN = 1.0
"""Seconds until the next look, where the next grant hangs on an answer."""


@dataclass(slots=True)
class State:
    """What is known of the upstream, as kept in Redis. Moments are Unix seconds; pairs are (requests, tokens)."""

    limits: list[int] = field(default_factory=lambda: [0, 0])
    """Learnt, a minute; 0 unknown."""
    full_at: list[float] = field(default_factory=lambda: [0.0, 0.0])
    kept: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Seconds of refill put by for light flows, at most RESERVE."""
    pace_at: float = 0.0
    """When the sustained rate has caught up with what was granted."""
    not_before: float = 0.0
    ramp: float = START
    out: int = 0
    """Calls granted and not answered yet."""
    news: float = 0.0
    cut_at: float = 0.0
    strikes: int = 0
    """Refusals in a row."""
    free: bool = False
    wary: bool = False
    """It has refused before."""
    clock: float = 0.0
    """The virtual time: the latest start tag served."""
    seq: int = 0
    tokens: int = 0
    """Of all who wait."""

    def set_back(self, now: float) -> None:
        """Where the clock was set back, all moments go back with it: else nobody would go until it caught up."""
        back = self.news - now
        if back > STEP:
            self.full_at = [moment - back for moment in self.full_at]
            self.pace_at -= back
            self.not_before -= back
            self.cut_at -= back
            self.news = now


@dataclass(slots=True)
class Flow:
    """Those of one flow who wait."""

    count: int
    last: float
    """The latest tag given."""


class Waiter(msgspec.Struct, frozen=True):
    """One who waits."""

    ticket: Ticket
    place: Place
    since: float


class Lane:
    """The rules, acting on memory. Every method is told the time."""

    def __init__(self) -> None:
        """Nothing is known, nobody waits."""
        self.state = State()
        self.order: list[tuple[float, int, str]] = []
        self.waiting: dict[str, Waiter] = {}
        self.flows: dict[str, Flow] = {}
        self.used: dict[str, float] = {}
        """By stream: when its share of the lane has caught up with what it was granted."""

    def __repr__(self) -> str:
        state = self.state
        return f"<Lane {state.limits[0] or '?'} rpm, {state.limits[1] or '?'} tpm: {len(self.order)} wait>"

    def enter(self, ticket: Ticket, terms: LaneTerms, now: float) -> Verdict:
        """Ask and act on the answer; who waits already keeps the place."""
        verdict = self.ask(ticket, terms, now)
        if isinstance(verdict, Granted):
            self._forget(ticket.member)
            self.take(ticket, terms, now)
        elif isinstance(verdict, Queued) and ticket.member not in self.waiting:
            self.queue(ticket, verdict.place, terms, now)
        return verdict

    def ask(self, ticket: Ticket, terms: LaneTerms, now: float) -> Verdict:
        """Decide, changing nothing but what a clock that was set back makes wrong."""
        state = self.state
        state.set_back(now)
        if self._free(terms):
            return Granted(ticket.place or Place(state.clock, state.seq))
        waiter = self.waiting.get(ticket.member)
        place = waiter.place if waiter else ticket.place or self._next_place(ticket)
        light = self._is_light(ticket, terms, now)
        if self._may_go_first(ticket, place, light=light):
            kept = [0.0, 0.0] if light else self._kept(terms, now)
            fits = self._fits_at(self._costs(1, ticket.tokens, terms), ticket, terms, kept, now) <= now
            if fits and self._open_at(terms, now) <= now:
                return Granted(place if waiter or ticket.place else Place(state.clock, state.seq))
        ahead = bisect.bisect_left(self.order, (place.tag, place.seq, ticket.member))
        eta = self._eta(ticket, ahead, terms, now)
        settled = waiter is not None or ticket.place is not None
        if len(self.order) >= terms.longest and not settled:
            return Refused(eta, full=True)
        if now + eta > ticket.deadline:
            return Refused(eta, full=False)
        return Queued(place, eta, ahead)

    def take(self, ticket: Ticket, terms: LaneTerms, now: float) -> None:
        """Take a call's capacity."""
        state = self.state
        if self._free(terms):
            return
        self._freshen(terms, now)
        costs = self._costs(1, ticket.tokens, terms)
        for kind in (0, 1):
            state.full_at[kind] = max(state.full_at[kind], now) + costs[kind]
            state.kept[kind] = max(0.0, min(state.kept[kind], self._slack(kind, now)))
        cost = max(costs)
        state.pace_at = max(state.pace_at, now) + cost
        used = max(self.used.get(ticket.stream, 0.0), now) + cost / SHARE
        self.used[ticket.stream] = min(used, now + 2 * SPAN)
        if state.out == 0:
            state.news = now
        state.out += 1
        state.seq += 1

    def queue(self, ticket: Ticket, place: Place, terms: LaneTerms, now: float) -> None:
        """Put a call in its place."""
        self._freshen(terms, now)
        flow = self.flows.setdefault(ticket.stream, Flow(0, place.tag))
        flow.count += 1
        flow.last = max(flow.last, place.tag)
        bisect.insort(self.order, (place.tag, place.seq, ticket.member))
        self.waiting[ticket.member] = Waiter(ticket, place, now)
        self.state.tokens += ticket.tokens
        self.state.seq += 1

    def dispatch(self, terms: LaneTerms, now: float, alive: Callable[[str], bool]) -> tuple[list[str], float | None]:
        """Grant as many heads as there is room for, and tell in how many seconds to look again (None: nobody waits).

        Members of processes that are not alive, and those whose deadline has passed, leave without taking a place.
        """
        granted: list[str] = []
        self.state.set_back(now)
        self._freshen(terms, now)
        while self.order and len(granted) < BATCH:
            waiter = self.waiting[self.order[0][2]]
            if not alive(process_of(waiter.ticket.member)):
                self._bury(process_of(waiter.ticket.member))
                continue
            if waiter.ticket.deadline < now:
                self._forget(waiter.ticket.member)
                continue
            wait = self._wait_of(waiter.ticket, terms, now)
            if wait > 0:
                return granted, min(wait, LOOK_AGAIN)
            self._forget(waiter.ticket.member)
            self.state.clock = max(self.state.clock, waiter.place.tag - 1 / waiter.ticket.weight)
            self.take(waiter.ticket, terms, now)
            granted.append(waiter.ticket.member)
        return granted, 0.0 if self.order else None

    def leave(self, member: str) -> bool:
        """Give up waiting; False if nobody of that name waits."""
        return self._forget(member)

    def give_back(self, ticket: Ticket, terms: LaneTerms) -> None:
        """A granted call was never sent."""
        state = self.state
        if self._free(terms):
            return
        costs = self._costs(1, ticket.tokens, terms)
        for kind in (0, 1):
            state.full_at[kind] -= costs[kind]
        state.pace_at -= max(costs)
        state.out = max(0, state.out - 1)

    def learn(self, report: Report, terms: LaneTerms, now: float) -> None:
        """Take in what answers said."""
        state = self.state
        state.set_back(now)
        if report.answered:
            state.out, state.news = max(0, state.out - report.answered), now
        said = ((report.rpm, report.rpm_left), (report.tpm, report.tpm_left))
        for kind, (limit, left) in enumerate(said):
            if limit > 0:
                self._learn_limit(kind, limit, left, report, terms, now)
        if report.shut_for > report.age:  # as the upstream counted when it took the call
            self._hold(report.shut, report.shut_for - report.age, report, terms, now)
        if report.succeeded:
            self._grow(report.succeeded, terms)
        if report.refused:
            self._refuse(report, terms, now)
        if report.outage:
            state.ramp, state.free = min(state.ramp, START), False

    # what follows decides

    def _free(self, terms: LaneTerms) -> bool:
        return self.state.free and not (terms.rpm or terms.tpm)

    def _limit(self, kind: int, terms: LaneTerms) -> int:
        return (terms.rpm, terms.tpm)[kind] or self.state.limits[kind]

    def _costs(self, calls: float, tokens: float, terms: LaneTerms) -> list[float]:
        """Seconds of refill of each bucket."""
        amounts = (calls, tokens)
        limits = [self._limit(kind, terms) for kind in (0, 1)]
        return [amounts[kind] * SPAN / limits[kind] if limits[kind] else 0.0 for kind in (0, 1)]

    def _slack(self, kind: int, now: float) -> float:
        return SPAN - MARGIN - max(0.0, self.state.full_at[kind] - now)

    def _kept(self, terms: LaneTerms, now: float) -> list[float]:
        """What is put by: while nobody waits, half of what there is; while somebody does, no more than there was."""
        kept = []
        for kind in (0, 1):
            slack = max(0.0, self._slack(kind, now))
            wanted = self.state.kept[kind] if self.order else max(self.state.kept[kind], slack / 2)
            kept.append(min(RESERVE, wanted, slack) if self._limit(kind, terms) else 0.0)
        return kept

    def _freshen(self, terms: LaneTerms, now: float) -> None:
        self.state.kept = self._kept(terms, now)
        self.state.out = self._unanswered(now)

    def _unanswered(self, now: float) -> int:
        return 0 if now - self.state.news > QUIET else self.state.out

    def _fits_at(self, total: list[float], ticket: Ticket, terms: LaneTerms, kept: list[float], now: float) -> float:
        """When `total` can be taken, the ticket last. A call larger than a bucket goes when the bucket is full."""
        own = self._costs(1, ticket.tokens, terms)
        at = max(now, self.state.not_before)
        for kind in (0, 1):
            if self._limit(kind, terms):
                room = max(SPAN - MARGIN - kept[kind], own[kind])
                at = max(at, max(self.state.full_at[kind], now) + total[kind] - room)
        return at

    def _open_at(self, terms: LaneTerms, now: float) -> float:
        """When one more call may be unanswered; infinity where that hangs on an answer."""
        if self._free(terms) or self._unanswered(now) + 1 <= self.state.ramp:
            return now
        known = self._limit(0, terms) or self._limit(1, terms)
        return max(now, self.state.pace_at - PACE) if known else math.inf

    def _wait_of(self, ticket: Ticket, terms: LaneTerms, now: float) -> float:
        costs = self._costs(1, ticket.tokens, terms)
        fits = self._fits_at(costs, ticket, terms, self._kept(terms, now), now)
        return max(fits, self._open_at(terms, now)) - now

    def _next_place(self, ticket: Ticket) -> Place:
        flow = self.flows.get(ticket.stream)
        start = max(self.state.clock, flow.last) if flow else self.state.clock
        return Place(start + 1 / ticket.weight, self.state.seq)

    def _is_light(self, ticket: Ticket, terms: LaneTerms, now: float) -> bool:
        cost = max(self._costs(1, ticket.tokens, terms))
        return max(self.used.get(ticket.stream, 0.0), now) + cost / SHARE - now <= SPAN

    def _may_go_first(self, ticket: Ticket, place: Place, *, light: bool) -> bool:
        """Nobody waits; or nobody is ahead; or a light flow of which nobody waits takes from what is kept for it."""
        if not self.order or (place.tag, place.seq, ticket.member) <= self.order[0]:
            return True
        return light and ticket.stream not in self.flows

    def _eta(self, ticket: Ticket, ahead: int, terms: LaneTerms, now: float) -> float:
        tokens = self.state.tokens * ahead / len(self.order) if self.order else 0.0
        total = self._costs(ahead + 1, tokens + ticket.tokens, terms)
        at = self._fits_at(total, ticket, terms, self._kept(terms, now), now)
        if not (self._limit(0, terms) or self._limit(1, terms)):
            # no rate to go by: `ramp` doubles with each round of answers, and a round takes about a second
            at += math.log(1 + ahead / self.state.ramp) / math.log(2)
        return at - now

    # what follows changes

    def _forget(self, member: str) -> bool:
        waiter = self.waiting.pop(member, None)
        if waiter is None:
            return False
        key = (waiter.place.tag, waiter.place.seq, member)
        del self.order[bisect.bisect_left(self.order, key)]
        flow = self.flows[waiter.ticket.stream]
        flow.count -= 1
        if flow.count == 0:
            del self.flows[waiter.ticket.stream]
        self.state.tokens -= waiter.ticket.tokens
        return True

    def _bury(self, process: str) -> None:
        for member in [member for member in self.waiting if process_of(member) == process]:
            self._forget(member)

    def _learn_limit(self, kind: int, limit: int, left: int, report: Report, terms: LaneTerms, now: float) -> None:
        state = self.state
        first = state.limits[kind] == 0
        state.limits[kind], state.free = limit, False
        if left >= 0:
            used = self._limit(kind, terms)
            # the latest it can have been counted is now, the earliest when the call was sent; remainders are floored
            most = left - state.out if first else left + 1 + report.age * used / SPAN
            level = max(0.0, min(float(most), float(used)))
            state.full_at[kind] = max(state.full_at[kind], now + (used - level) * SPAN / used)
        if first:
            state.kept[kind] = max(0.0, min(RESERVE, self._slack(kind, now) / 2))

    def _hold(self, what: str, wait: float, report: Report, terms: LaneTerms, now: float) -> None:
        """Nothing goes for `wait` seconds; after them what is asked for here just fits."""
        state = self.state
        at = now + wait
        state.not_before = max(state.not_before, at)
        costs = self._costs(1, report.tokens, terms)
        for kind, name in enumerate(("requests", "tokens")):
            if name == what and self._limit(kind, terms):
                state.full_at[kind] = max(state.full_at[kind], at + SPAN - min(SPAN, costs[kind]))

    def _grow(self, succeeded: int, terms: LaneTerms) -> None:
        state = self.state
        state.strikes = 0
        rpm = self._limit(0, terms)
        known = rpm or self._limit(1, terms)
        step = succeeded / state.ramp if state.wary and not known else float(succeeded)
        state.ramp = min(state.ramp + step, max(START, float(rpm or MOST)))
        if not known and not state.wary and state.ramp >= FREE_AT:
            state.free = True

    def _refuse(self, report: Report, terms: LaneTerms, now: float) -> None:
        """A 429. Those that were under way together count as one."""
        state = self.state
        state.free, state.wary = False, True
        if now - report.age >= state.cut_at:
            state.cut_at = now
            state.strikes += 1
            state.ramp = max(LEAST, state.ramp / 2)
        wait = report.wait if report.wait >= 0 else min(LONGEST_BACKOFF, 2.0 ** (max(1, state.strikes) - 1))
        self._hold(report.refused, wait, report, terms, now)

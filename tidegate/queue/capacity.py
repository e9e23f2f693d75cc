"""The upstream's capacity for one credential and model, and the queue in front of it, as a pure model.

It is the specification that `storage/lua/lane.lua` is held against, step by step, and what a process goes by while
Redis is away. Rates are buckets by virtual scheduling (ITU-T I.371): one number each, the moment when the bucket is
full again. Who goes next is told by `fair_queue.py`. The decision record 0008 gives the reasons.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from tidegate.queue.fair_queue import SHARE, Order, Work
from tidegate.queue.messages import Granted, LaneTerms, Place, Queued, Refused, Report, Ticket, Verdict, process_of

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
FRESH = 1.0
"""Seconds for which the upstream's word counts where more is left than is thought."""
PROOF = 2.0
"""Seconds for which all its words must say so."""
DOUBT = 0.1
"""The share of a limit by which it is believed less."""


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
    out_tokens: float = 0.0
    """Their tokens, about: an answer does not say whose it is."""
    least: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """The least that the upstream can have had left, by its words since `least_since`."""
    least_since: list[float] = field(default_factory=lambda: [0.0, 0.0])
    news: float = 0.0
    cut_at: float = 0.0
    strikes: int = 0
    """Refusals in a row."""
    free: bool = False
    wary: bool = False
    """It has refused before."""

    def set_back(self, now: float) -> None:
        """Where the clock was set back, all moments go back with it: else nobody would go until it caught up."""
        back = self.news - now
        if back > STEP:
            self.full_at = [moment - back for moment in self.full_at]
            self.pace_at -= back
            self.not_before -= back
            self.cut_at -= back
            self.least_since = [0.0, 0.0]
            self.news = now


class Lane:
    """The rules, acting on memory. Every method is told the time."""

    def __init__(self) -> None:
        """Nothing is known, nobody waits."""
        self.state = State()
        self.order = Order()

    def __repr__(self) -> str:
        state = self.state
        return f"<Lane {state.limits[0] or '?'} rpm, {state.limits[1] or '?'} tpm: {len(self.order.waiting)} wait>"

    def enter(self, ticket: Ticket, terms: LaneTerms, now: float) -> Verdict:
        """Ask and act on the answer; who waits already keeps the place."""
        verdict = self.ask(ticket, terms, now)
        if isinstance(verdict, Granted):
            self.order.leave(ticket.member)
            self.take(ticket, terms, now)
        elif isinstance(verdict, Queued) and ticket.member not in self.order.waiting:
            self.queue(ticket, verdict.place, terms, now)
        return verdict

    def ask(self, ticket: Ticket, terms: LaneTerms, now: float) -> Verdict:
        """Decide, changing nothing but what a clock that was set back makes wrong."""
        state, order = self.state, self.order
        state.set_back(now)
        place = ticket.place or Place(order.seq)
        if self._free(terms):
            return Granted(place)
        light = self._is_light(ticket, terms, now)
        if not order.waiting or (light and not order.waits(ticket.stream)):
            kept = [0.0, 0.0] if light else self._kept(terms, now)
            fits = self._fits_at(self._taken(ticket.tokens, terms), ticket, terms, kept, now) <= now
            if fits and self._open_at(terms, now) <= now:
                return Granted(place)
        waiter = order.waiting.get(ticket.member)
        calls, tokens = order.ahead(ticket, self._work(terms), now)
        eta = self._eta(ticket, calls, tokens, terms, now)
        settled = waiter is not None or ticket.place is not None
        if len(order.waiting) >= terms.longest and not settled:
            return Refused(eta, full=True)
        if now + eta > ticket.deadline:
            return Refused(eta, full=False)
        return Queued(waiter.place if waiter else place, eta, int(calls))

    def take(self, ticket: Ticket, terms: LaneTerms, now: float) -> None:
        """Take a call's capacity."""
        state = self.state
        if self._free(terms):
            return
        self._freshen(terms, now)
        costs = self._taken(ticket.tokens, terms)
        for kind in (0, 1):
            state.full_at[kind] = max(state.full_at[kind], now) + costs[kind]
            state.kept[kind] = max(0.0, min(state.kept[kind], self._slack(kind, now)))
        cost = max(costs)
        state.pace_at = max(state.pace_at, now) + cost
        self.order.charge(ticket, cost, self._work(terms), now)
        if state.out == 0:
            state.news = now
        state.out += 1
        state.out_tokens += ticket.tokens

    def queue(self, ticket: Ticket, place: Place, terms: LaneTerms, now: float) -> None:
        """Put a call in its place."""
        self._freshen(terms, now)
        self.order.join(ticket, place, self._work(terms), now)

    def dispatch(self, terms: LaneTerms, now: float, alive: Callable[[str], bool]) -> tuple[list[str], float | None]:
        """Grant as many heads as there is room for, and tell in how many seconds to look again (None: nobody waits).

        Members of processes that are not alive, and those whose deadline has passed, leave without taking a place.
        """
        granted: list[str] = []
        self.state.set_back(now)
        self._freshen(terms, now)
        work = self._work(terms)
        while (waiter := self.order.next(work, now)) and len(granted) < BATCH:
            ticket = waiter.ticket
            if not alive(process_of(ticket.member)):
                self._bury(process_of(ticket.member))
                continue
            if ticket.deadline < now:
                self.order.leave(ticket.member)
                continue
            wait = self._wait_of(ticket, terms, now)
            if wait > 0:
                return granted, min(wait, LOOK_AGAIN)
            self.order.leave(ticket.member)
            self.take(ticket, terms, now)
            granted.append(ticket.member)
        return granted, 0.0 if waiter else None

    def leave(self, member: str) -> bool:
        """Give up waiting; False if nobody of that name waits."""
        return self.order.leave(member)

    def give_back(self, ticket: Ticket, terms: LaneTerms) -> None:
        """A granted call was never sent."""
        state = self.state
        if self._free(terms):
            return
        costs = self._taken(ticket.tokens, terms)
        for kind in (0, 1):
            state.full_at[kind] -= costs[kind]
        state.pace_at -= max(costs)
        self._come_back(1)

    def learn(self, report: Report, terms: LaneTerms, now: float) -> None:
        """Take in what answers said."""
        state = self.state
        state.set_back(now)
        if report.answered:
            self._come_back(report.answered)
            state.news = now
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

    def _taken(self, tokens: int, terms: LaneTerms) -> list[float]:
        """What one call takes of each bucket: no more than there is in it, however large the call."""
        return [min(SPAN, seconds) for seconds in self._costs(1, tokens, terms)]

    def _work(self, terms: LaneTerms) -> Work:
        return lambda calls, tokens: max(self._costs(calls, tokens, terms)) or calls

    def _slack(self, kind: int, now: float) -> float:
        return SPAN - MARGIN - max(0.0, self.state.full_at[kind] - now)

    def _kept(self, terms: LaneTerms, now: float) -> list[float]:
        """What is put by: while nobody waits, half of what there is; while somebody does, no more than there was."""
        kept = []
        for kind in (0, 1):
            slack = max(0.0, self._slack(kind, now))
            wanted = self.state.kept[kind] if self.order.waiting else max(self.state.kept[kind], slack / 2)
            kept.append(min(RESERVE, wanted, slack) if self._limit(kind, terms) else 0.0)
        return kept

    def _freshen(self, terms: LaneTerms, now: float) -> None:
        self.state.kept = self._kept(terms, now)
        self._come_back(self.state.out - self._unanswered(now))

    def _unanswered(self, now: float) -> int:
        return 0 if now - self.state.news > QUIET else self.state.out

    def _fits_at(self, total: list[float], ticket: Ticket, terms: LaneTerms, kept: list[float], now: float) -> float:
        """When `total` can be taken, the ticket last. A call larger than a bucket goes when the bucket is full."""
        own = self._taken(ticket.tokens, terms)
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
        costs = self._taken(ticket.tokens, terms)
        fits = self._fits_at(costs, ticket, terms, self._kept(terms, now), now)
        return max(fits, self._open_at(terms, now)) - now

    def _is_light(self, ticket: Ticket, terms: LaneTerms, now: float) -> bool:
        cost = max(self._taken(ticket.tokens, terms))
        return self.order.used(ticket.stream, now) + cost / SHARE <= SPAN

    def _eta(self, ticket: Ticket, calls: float, tokens: float, terms: LaneTerms, now: float) -> float:
        own, ahead = self._taken(ticket.tokens, terms), self._costs(calls, tokens, terms)
        total = [ahead[kind] + own[kind] for kind in (0, 1)]
        at = self._fits_at(total, ticket, terms, self._kept(terms, now), now)
        if not (self._limit(0, terms) or self._limit(1, terms)):
            # no rate to go by: `ramp` doubles with each round of answers, and a round takes about a second
            at += math.log(1 + calls / self.state.ramp) / math.log(2)
        return at - now

    # what follows changes

    def _bury(self, process: str) -> None:
        for member in [member for member in self.order.waiting if process_of(member) == process]:
            self.order.leave(member)

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
            self._believe(kind, left, report, terms, now)
        if first:
            state.kept[kind] = max(0.0, min(RESERVE, self._slack(kind, now) / 2))

    def _believe(self, kind: int, left: int, report: Report, terms: LaneTerms, now: float) -> None:
        """Where it says for a while that far more is left than is thought, more was set aside than it counts."""
        state = self.state
        if state.wary or report.age > FRESH or (terms.rpm, terms.tpm)[kind]:
            return
        limit = state.limits[kind]
        least = max(0.0, left - (state.out, state.out_tokens)[kind] - DOUBT * limit)
        since = now - state.least_since[kind]
        if since < PROOF:
            state.least[kind] = min(least, state.least[kind])
            return
        if since < 2 * PROOF and (proven := min(least, state.least[kind], float(limit))) > 0:
            state.full_at[kind] = min(state.full_at[kind], now + (limit - proven) * SPAN / limit)
        state.least[kind], state.least_since[kind] = least, now

    def _come_back(self, answered: int) -> None:
        """So many are unanswered no more."""
        state = self.state
        back = min(answered, state.out)
        if back:
            state.out_tokens -= state.out_tokens * back / state.out
        state.out -= back

    def _hold(self, what: str, wait: float, report: Report, terms: LaneTerms, now: float) -> None:
        """Nothing goes for `wait` seconds; after them what is asked for here just fits."""
        state = self.state
        at = now + wait
        state.not_before = max(state.not_before, at)
        costs = self._taken(report.tokens, terms)
        for kind, name in enumerate(("requests", "tokens")):
            if name == what and self._limit(kind, terms):
                state.full_at[kind] = max(state.full_at[kind], at + SPAN - costs[kind])

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

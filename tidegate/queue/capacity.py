"""The upstream's capacity for one credential and model, and the queue in front of it, as a pure model.

It is the specification that `storage/lua/lane.lua` is held against, step by step, and what a process goes by while
Redis is away. Rates are buckets by virtual scheduling (ITU-T I.371): one number each, the moment when the bucket is
full again. Who goes next is told by `fair_queue.py`. The decision record 0008 gives the reasons.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from tidegate.queue.fair_queue import USAGE_SHARE, FairQueue, ServiceTime
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

WINDOW_SECONDS = 60.0
"""Seconds in which a bucket refills: limits are per minute."""
MARGIN_SECONDS = 0.1
"""Seconds of refill that are never used, because calls overtake each other on their way."""
START_WINDOW = 3.0
"""Calls that may be unanswered at first, and after an outage: a drained upstream refuses them all."""
MIN_WINDOW = 1.0
"""Calls that may be unanswered however often the upstream refuses."""
MAX_WINDOW = 10_000.0
PACE_SECONDS = 0.25
"""Seconds' worth of calls that the sustained rate allows at once, whatever `ramp` says."""
LIGHT_RESERVE_SECONDS = 6.0
"""Seconds of refill, a tenth of a bucket, kept for flows that have not used their share lately."""
UNLIMITED_WINDOW = 64.0
"""`ramp` at which an upstream that never named a limit nor refused is taken to have none."""
SILENCE_SECONDS = 60.0
"""Seconds without news after which unanswered calls count as lost."""
CLOCK_STEP_SECONDS = 5.0
"""Seconds; moments further ahead say that the clock was set back. Replicas' clocks may differ by less."""
MAX_BACKOFF_SECONDS = 32.0
MAX_GRANTS = 200
"""Grants of one dispatch, so that it never holds Redis for long."""
RECHECK_SECONDS = 1.0
"""Seconds until the next look, where the next grant hangs on an answer."""
FRESH_SECONDS = 1.0
"""Seconds for which the upstream's word counts where more is left than is thought."""
PROOF_SECONDS = 2.0
"""Seconds for which all its words must say so."""
DOUBT_RATIO = 0.1
"""The share of a limit by which it is believed less."""


@dataclass(slots=True)
class CapacityState:
    """What is known of the upstream, as kept in Redis. Moments are Unix seconds; pairs are (requests, tokens)."""

    limits: list[int] = field(default_factory=lambda: [0, 0])
    """Learnt, a minute; 0 unknown."""
    full_at: list[float] = field(default_factory=lambda: [0.0, 0.0])
    light_reserve: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Seconds of refill put by for light flows, at most RESERVE."""
    pace_at: float = 0.0
    """When the sustained rate has caught up with what was granted."""
    not_before: float = 0.0
    window: float = START_WINDOW
    unanswered: int = 0
    """Calls granted and not answered yet."""
    unanswered_tokens: float = 0.0
    """Their tokens, about: an answer does not say whose it is."""
    min_remaining: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """The least that the upstream can have had left, by its words since `least_since`."""
    min_remaining_since: list[float] = field(default_factory=lambda: [0.0, 0.0])
    last_answer_at: float = 0.0
    window_cut_at: float = 0.0
    rejections_in_row: int = 0
    """Refusals in a row."""
    unlimited: bool = False
    has_rejected: bool = False
    """It has refused before."""

    def follow_clock_back(self, now: float) -> None:
        """Where the clock was set back, all moments go back with it: else nobody would go until it caught up."""
        back = self.last_answer_at - now
        if back > CLOCK_STEP_SECONDS:
            self.full_at = [moment - back for moment in self.full_at]
            self.pace_at -= back
            self.not_before -= back
            self.window_cut_at -= back
            self.min_remaining_since = [0.0, 0.0]
            self.last_answer_at = now


class UpstreamCapacity:
    """The rules, acting on memory. Every method is told the time."""

    def __init__(self) -> None:
        """Nothing is known, nobody waits."""
        self.state = CapacityState()
        self.fair_queue = FairQueue()

    def __repr__(self) -> str:
        state = self.state
        return f"<Lane {state.limits[0] or '?'} rpm, {state.limits[1] or '?'} tpm: {len(self.fair_queue.waiting)} wait>"

    def enter(self, entry: QueueEntry, limits: LaneLimits, now: float) -> QueueVerdict:
        """Ask and act on the answer; who waits already keeps the place."""
        verdict = self.decide(entry, limits, now)
        if isinstance(verdict, Granted):
            self.fair_queue.remove(entry.member)
            self.consume(entry, limits, now)
        elif isinstance(verdict, Queued) and entry.member not in self.fair_queue.waiting:
            self.enqueue(entry, verdict.position, limits, now)
        return verdict

    def decide(self, entry: QueueEntry, limits: LaneLimits, now: float) -> QueueVerdict:
        """Decide, changing nothing but what a clock that was set back makes wrong."""
        state, order = self.state, self.fair_queue
        state.follow_clock_back(now)
        place = entry.position or QueuePosition(order.next_seq)
        if self._is_unlimited(limits):
            return Granted(place)
        light = self._is_light(entry, limits, now)
        if not order.waiting or (light and not order.has_waiting(entry.flow_id)):
            kept = [0.0, 0.0] if light else self._light_reserve(limits, now)
            fits = self._buckets_allow_at(self._refill_seconds(entry.tokens, limits), entry, limits, kept, now) <= now
            if fits and self._window_allows_at(limits, now) <= now:
                return Granted(place)
        waiter = order.waiting.get(entry.member)
        calls, tokens = order.work_ahead(entry, self._service_time(limits), now)
        eta = self._eta(entry, calls, tokens, limits, now)
        settled = waiter is not None or entry.position is not None
        if len(order.waiting) >= limits.max_waiting and not settled:
            return QueueRejected(eta, full=True)
        if now + eta > entry.deadline:
            return QueueRejected(eta, full=False)
        return Queued(waiter.position if waiter else place, eta, int(calls))

    def consume(self, entry: QueueEntry, limits: LaneLimits, now: float) -> None:
        """Take a call's capacity."""
        state = self.state
        if self._is_unlimited(limits):
            return
        self._refresh(limits, now)
        costs = self._refill_seconds(entry.tokens, limits)
        for kind in (0, 1):
            state.full_at[kind] = max(state.full_at[kind], now) + costs[kind]
            state.light_reserve[kind] = max(0.0, min(state.light_reserve[kind], self._free_seconds(kind, now)))
        cost = max(costs)
        state.pace_at = max(state.pace_at, now) + cost
        self.fair_queue.charge(entry, cost, self._service_time(limits), now)
        if state.unanswered == 0:
            state.last_answer_at = now
        state.unanswered += 1
        state.unanswered_tokens += entry.tokens

    def enqueue(self, entry: QueueEntry, position: QueuePosition, limits: LaneLimits, now: float) -> None:
        """Put a call in its place."""
        self._refresh(limits, now)
        self.fair_queue.push(entry, position, self._service_time(limits), now)

    def dispatch(self, limits: LaneLimits, now: float, alive: Callable[[str], bool]) -> tuple[list[str], float | None]:
        """Grant as many heads as there is room for, and tell in how many seconds to look again (None: nobody waits).

        Members of processes that are not alive, and those whose deadline has passed, leave without taking a place.
        """
        granted: list[str] = []
        self.state.follow_clock_back(now)
        self._refresh(limits, now)
        work = self._service_time(limits)
        while (waiter := self.fair_queue.peek(work, now)) and len(granted) < MAX_GRANTS:
            ticket = waiter.entry
            if not alive(process_of(ticket.member)):
                self._remove_process(process_of(ticket.member))
                continue
            if ticket.deadline < now:
                self.fair_queue.remove(ticket.member)
                continue
            wait = self._seconds_until_grant(ticket, limits, now)
            if wait > 0:
                return granted, min(wait, RECHECK_SECONDS)
            self.fair_queue.remove(ticket.member)
            self.consume(ticket, limits, now)
            granted.append(ticket.member)
        return granted, 0.0 if waiter else None

    def leave(self, member: str) -> bool:
        """Give up waiting; False if nobody of that name waits."""
        return self.fair_queue.remove(member)

    def give_back(self, entry: QueueEntry, limits: LaneLimits) -> None:
        """A granted call was never sent."""
        state = self.state
        if self._is_unlimited(limits):
            return
        costs = self._refill_seconds(entry.tokens, limits)
        for kind in (0, 1):
            state.full_at[kind] -= costs[kind]
        state.pace_at -= max(costs)
        self._mark_answered(1)

    def learn(self, report: CapacityReport, limits: LaneLimits, now: float) -> None:
        """Take in what answers said."""
        state = self.state
        state.follow_clock_back(now)
        if report.answered:
            self._mark_answered(report.answered)
            state.last_answer_at = now
        said = ((report.rpm, report.rpm_remaining), (report.tpm, report.tpm_remaining))
        for kind, (limit, left) in enumerate(said):
            if limit > 0:
                self._learn_limit(kind, limit, left, report, limits, now)
        if report.closed_for > report.age:  # as the upstream counted when it took the call
            self._pause(report.closed_window, report.closed_for - report.age, report, limits, now)
        if report.succeeded:
            self._grow_window(report.succeeded, limits)
        if report.rejection_kind:
            self._cut_window(report, limits, now)
        if report.outage:
            state.window, state.unlimited = min(state.window, START_WINDOW), False

    # what follows decides

    def _is_unlimited(self, terms: LaneLimits) -> bool:
        return self.state.unlimited and not (terms.rpm or terms.tpm)

    def _limit(self, kind: int, terms: LaneLimits) -> int:
        return (terms.rpm, terms.tpm)[kind] or self.state.limits[kind]

    def _costs(self, calls: float, tokens: float, terms: LaneLimits) -> list[float]:
        """Seconds of refill of each bucket."""
        amounts = (calls, tokens)
        limits = [self._limit(kind, terms) for kind in (0, 1)]
        return [amounts[kind] * WINDOW_SECONDS / limits[kind] if limits[kind] else 0.0 for kind in (0, 1)]

    def _refill_seconds(self, tokens: int, terms: LaneLimits) -> list[float]:
        """What one call takes of each bucket: no more than there is in it, however large the call."""
        return [min(WINDOW_SECONDS, seconds) for seconds in self._costs(1, tokens, terms)]

    def _service_time(self, terms: LaneLimits) -> ServiceTime:
        return lambda calls, tokens: max(self._costs(calls, tokens, terms)) or calls

    def _free_seconds(self, kind: int, now: float) -> float:
        return WINDOW_SECONDS - MARGIN_SECONDS - max(0.0, self.state.full_at[kind] - now)

    def _light_reserve(self, terms: LaneLimits, now: float) -> list[float]:
        """What is put by: while nobody waits, half of what there is; while somebody does, no more than there was."""
        kept = []
        for kind in (0, 1):
            slack = max(0.0, self._free_seconds(kind, now))
            wanted = (
                self.state.light_reserve[kind]
                if self.fair_queue.waiting
                else max(self.state.light_reserve[kind], slack / 2)
            )
            kept.append(min(LIGHT_RESERVE_SECONDS, wanted, slack) if self._limit(kind, terms) else 0.0)
        return kept

    def _refresh(self, terms: LaneLimits, now: float) -> None:
        self.state.light_reserve = self._light_reserve(terms, now)
        self._mark_answered(self.state.unanswered - self._unanswered(now))

    def _unanswered(self, now: float) -> int:
        return 0 if now - self.state.last_answer_at > SILENCE_SECONDS else self.state.unanswered

    def _buckets_allow_at(
        self, total: list[float], ticket: QueueEntry, terms: LaneLimits, kept: list[float], now: float
    ) -> float:
        """When `total` can be taken, the ticket last. A call larger than a bucket goes when the bucket is full."""
        own = self._refill_seconds(ticket.tokens, terms)
        at = max(now, self.state.not_before)
        for kind in (0, 1):
            if self._limit(kind, terms):
                room = max(WINDOW_SECONDS - MARGIN_SECONDS - kept[kind], own[kind])
                at = max(at, max(self.state.full_at[kind], now) + total[kind] - room)
        return at

    def _window_allows_at(self, terms: LaneLimits, now: float) -> float:
        """When one more call may be unanswered; infinity where that hangs on an answer."""
        if self._is_unlimited(terms) or self._unanswered(now) + 1 <= self.state.window:
            return now
        known = self._limit(0, terms) or self._limit(1, terms)
        return max(now, self.state.pace_at - PACE_SECONDS) if known else math.inf

    def _seconds_until_grant(self, ticket: QueueEntry, terms: LaneLimits, now: float) -> float:
        costs = self._refill_seconds(ticket.tokens, terms)
        fits = self._buckets_allow_at(costs, ticket, terms, self._light_reserve(terms, now), now)
        return max(fits, self._window_allows_at(terms, now)) - now

    def _is_light(self, ticket: QueueEntry, terms: LaneLimits, now: float) -> bool:
        cost = max(self._refill_seconds(ticket.tokens, terms))
        return self.fair_queue.usage_seconds(ticket.flow_id, now) + cost / USAGE_SHARE <= WINDOW_SECONDS

    def _eta(self, ticket: QueueEntry, calls: float, tokens: float, terms: LaneLimits, now: float) -> float:
        own, ahead = self._refill_seconds(ticket.tokens, terms), self._costs(calls, tokens, terms)
        total = [ahead[kind] + own[kind] for kind in (0, 1)]
        at = self._buckets_allow_at(total, ticket, terms, self._light_reserve(terms, now), now)
        if not (self._limit(0, terms) or self._limit(1, terms)):
            # no rate to go by: `ramp` doubles with each round of answers, and a round takes about a second
            at += math.log(1 + calls / self.state.window) / math.log(2)
        return at - now

    # what follows changes

    def _remove_process(self, process: str) -> None:
        for member in [member for member in self.fair_queue.waiting if process_of(member) == process]:
            self.fair_queue.remove(member)

    def _learn_limit(
        self, kind: int, limit: int, left: int, report: CapacityReport, terms: LaneLimits, now: float
    ) -> None:
        state = self.state
        first = state.limits[kind] == 0
        state.limits[kind], state.unlimited = limit, False
        if left >= 0:
            used = self._limit(kind, terms)
            # the latest it can have been counted is now, the earliest when the call was sent; remainders are floored
            most = left - state.unanswered if first else left + 1 + report.age * used / WINDOW_SECONDS
            level = max(0.0, min(float(most), float(used)))
            state.full_at[kind] = max(state.full_at[kind], now + (used - level) * WINDOW_SECONDS / used)
            self._raise_estimate(kind, left, report, terms, now)
        if first:
            state.light_reserve[kind] = max(0.0, min(LIGHT_RESERVE_SECONDS, self._free_seconds(kind, now) / 2))

    def _raise_estimate(self, kind: int, left: int, report: CapacityReport, terms: LaneLimits, now: float) -> None:
        """Where it says for a while that far more is left than is thought, more was set aside than it counts."""
        state = self.state
        if state.has_rejected or report.age > FRESH_SECONDS or (terms.rpm, terms.tpm)[kind]:
            return
        limit = state.limits[kind]
        least = max(0.0, left - (state.unanswered, state.unanswered_tokens)[kind] - DOUBT_RATIO * limit)
        since = now - state.min_remaining_since[kind]
        if since < PROOF_SECONDS:
            state.min_remaining[kind] = min(least, state.min_remaining[kind])
            return
        if since < 2 * PROOF_SECONDS and (proven := min(least, state.min_remaining[kind], float(limit))) > 0:
            state.full_at[kind] = min(state.full_at[kind], now + (limit - proven) * WINDOW_SECONDS / limit)
        state.min_remaining[kind], state.min_remaining_since[kind] = least, now

    def _mark_answered(self, answered: int) -> None:
        """So many are unanswered no more."""
        state = self.state
        back = min(answered, state.unanswered)
        if back:
            state.unanswered_tokens -= state.unanswered_tokens * back / state.unanswered
        state.unanswered -= back

    def _pause(self, what: str, wait: float, report: CapacityReport, terms: LaneLimits, now: float) -> None:
        """Nothing goes for `wait` seconds; after them what is asked for here just fits."""
        state = self.state
        at = now + wait
        state.not_before = max(state.not_before, at)
        costs = self._refill_seconds(report.tokens, terms)
        for kind, name in enumerate(("requests", "tokens")):
            if name == what and self._limit(kind, terms):
                state.full_at[kind] = max(state.full_at[kind], at + WINDOW_SECONDS - costs[kind])

    def _grow_window(self, succeeded: int, terms: LaneLimits) -> None:
        state = self.state
        state.rejections_in_row = 0
        rpm = self._limit(0, terms)
        known = rpm or self._limit(1, terms)
        step = succeeded / state.window if state.has_rejected and not known else float(succeeded)
        state.window = min(state.window + step, max(START_WINDOW, float(rpm or MAX_WINDOW)))
        if not known and not state.has_rejected and state.window >= UNLIMITED_WINDOW:
            state.unlimited = True

    def _cut_window(self, report: CapacityReport, terms: LaneLimits, now: float) -> None:
        """A 429. Those that were under way together count as one."""
        state = self.state
        state.unlimited, state.has_rejected = False, True
        if now - report.age >= state.window_cut_at:
            state.window_cut_at = now
            state.rejections_in_row += 1
            state.window = max(MIN_WINDOW, state.window / 2)
        wait = (
            report.retry_after
            if report.retry_after >= 0
            else min(MAX_BACKOFF_SECONDS, 2.0 ** (max(1, state.rejections_in_row) - 1))
        )
        self._pause(report.rejection_kind, wait, report, terms, now)

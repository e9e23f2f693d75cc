"""The upstream's capacity for one credential and model (a lane), and the queue in front of it, as a pure model.

Three mechanisms decide when a request may be sent:

Rate. The upstream's limits on requests and tokens per minute are two token buckets, kept as GCRA (ITU-T I.371): one
number each, the moment `full_at` at which the bucket is full again. A request takes its cost in seconds of refill, and
fits while the bucket has that much. Limits are configured, or learnt from the upstream's rate-limit headers. A reported
remainder lowers the estimate at once; it raises it only if reports agree for PROOF_SECONDS (`_raise_estimate`).

Concurrency. At most `window` requests may be unanswered. The window works as TCP's congestion window does: it begins
small (slow start) and grows by one with each successful response, so it doubles with each round trip. A 429 halves it;
after that, while no limit is known, it grows by about one per round trip (AIMD). Beyond the window, requests of a lane
with a known limit are paced at the sustained rate (`pace_at`); without one they wait for a response. A window that
reaches UNLIMITED_WINDOW without rate-limit headers or a 429 marks the upstream as unlimited.

A 429 among successes concerns only its own request (OWN_REFUSAL_RUN): the lane goes on as before. While the upstream
asks for a long wait, one request in LOOK_SECONDS tries whether it answers again.

Fairness. `fair_queue.py` decides which waiting request goes next. In addition a few seconds of refill are reserved for
light flows (`light_reserve`): a flow that has used little of the lane lately may use them at once, past the queue.

`LocalCapacity` runs this model while Redis is away. `storage/lua/capacity.lua` does the same in Redis and is tested
against it step by step. The decision record 0008 gives the reasons.
"""

import math
from collections.abc import Callable

from tidegate.queue.capacity_state import START_WINDOW, CapacityState
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
"""Seconds in which an empty bucket refills: limits are per minute."""
MARGIN_SECONDS = 0.1
"""Seconds of refill that are never used, because requests overtake each other on their way to the upstream."""
MIN_WINDOW = 1.0
"""The smallest window, however often the upstream answers 429."""
MAX_WINDOW = 10_000.0
PACE_SECONDS = 0.25
"""Seconds' worth of requests that the sustained rate allows at once beyond the window."""
LIGHT_RESERVE_SECONDS = 6.0
"""Seconds of refill, a tenth of a bucket, reserved for flows that have used little of the lane lately."""
UNLIMITED_WINDOW = 64.0
"""The window at which an upstream that has reported no limit and sent no 429 is treated as unlimited."""
SILENCE_SECONDS = 60.0
"""Seconds without any response after which unanswered requests are taken for lost."""
MAX_BACKOFF_SECONDS = 32.0
OWN_REFUSAL_RUN = 20
"""Successes since the last 429 from which on a 429 concerns only its own request."""
LOOK_SECONDS = 30.0
"""Between two requests that try whether an upstream that asked for a long wait answers again."""
MAX_GRANTS = 200
"""The most grants of one dispatch, so that it never blocks Redis for long."""
RECHECK_SECONDS = 1.0
"""Seconds until the next dispatch, where the next grant depends on a response."""
FRESH_SECONDS = 1.0
"""The largest age in seconds of a report that may raise the estimate of what remains."""
PROOF_SECONDS = 2.0
"""Seconds for which all reports must say that more remains than estimated, before the estimate is raised."""
DOUBT_RATIO = 0.1
"""The part of a limit that is subtracted from a reported remainder before it raises the estimate."""


class UpstreamCapacity:
    """One lane in memory. Every method takes the time as an argument."""

    def __init__(self) -> None:
        """Begin with no known limit and an empty queue."""
        self.state = CapacityState()
        self.fair_queue = FairQueue()

    def __repr__(self) -> str:
        state = self.state
        return f"<Lane {state.limits[0] or '?'} rpm, {state.limits[1] or '?'} tpm: {len(self.fair_queue.waiting)} wait>"

    def enter(self, entry: QueueEntry, limits: LaneLimits, now: float) -> QueueVerdict:
        """Decide and act on the verdict. An entry that waits already keeps its position."""
        verdict = self.decide(entry, limits, now)
        if isinstance(verdict, Granted):
            self.fair_queue.remove(entry.member)
            self.consume(entry, limits, now)
        elif isinstance(verdict, Queued) and entry.member not in self.fair_queue.waiting:
            self.enqueue(entry, verdict.position, limits, now)
        return verdict

    def decide(self, entry: QueueEntry, limits: LaneLimits, now: float) -> QueueVerdict:
        """Return the verdict on an entry. The state stays as it is, unless the clock was set back."""
        state, queue = self.state, self.fair_queue
        state.follow_clock_back(now)
        position = entry.position or QueuePosition(queue.next_seq)
        if self._is_unlimited(limits):
            return Granted(position)
        if not queue.waiting and self.state.may_look(now):
            return Granted(position)
        is_light = self._is_light(entry, limits, now)
        if not queue.waiting or (is_light and not queue.has_waiting(entry.flow_id)):
            reserve = [0.0, 0.0] if is_light else self._light_reserve(limits, now)
            cost = self._refill_seconds(entry.tokens, limits)
            buckets_at = self._buckets_allow_at(cost, entry, limits, reserve, now)
            if buckets_at <= now and self._window_allows_at(limits, now) <= now:
                return Granted(position)
        waiter = queue.waiting.get(entry.member)
        calls, tokens = queue.work_ahead(entry, self._service_time(limits), now)
        eta = self._eta(entry, calls, tokens, limits, now)
        has_position = waiter is not None or entry.position is not None
        if len(queue.waiting) >= limits.max_waiting and not has_position:
            return QueueRejected(eta, full=True)
        if now + eta > entry.deadline:
            return QueueRejected(eta, full=False)
        return Queued(waiter.position if waiter else position, eta, int(calls))

    def consume(self, entry: QueueEntry, limits: LaneLimits, now: float) -> None:
        """Take the capacity that a granted entry uses."""
        state = self.state
        if self._is_unlimited(limits):
            return
        self._refresh(limits, now)
        if self.state.may_look(now):
            state.look_at = now + LOOK_SECONDS
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
        """Put an entry into the queue at its position."""
        self._refresh(limits, now)
        self.fair_queue.push(entry, position, self._service_time(limits), now)

    def dispatch(self, limits: LaneLimits, now: float, alive: Callable[[str], bool]) -> tuple[list[str], float | None]:
        """Grant waiting entries while capacity allows; return their members and the seconds until the next dispatch.

        The seconds are None where no entry waits. Entries of processes that are not alive, and entries past their
        deadline, leave the queue without a grant.
        """
        granted: list[str] = []
        self.state.follow_clock_back(now)
        self._refresh(limits, now)
        service_time = self._service_time(limits)
        while (waiter := self.fair_queue.peek(service_time, now)) and len(granted) < MAX_GRANTS:
            entry = waiter.entry
            if not alive(process_of(entry.member)):
                self._remove_process(process_of(entry.member))
                continue
            if entry.deadline < now:
                self.fair_queue.remove(entry.member)
                continue
            wait = self._seconds_until_grant(entry, limits, now)
            if wait > 0:
                return granted, min(wait, RECHECK_SECONDS)
            self.fair_queue.remove(entry.member)
            self.consume(entry, limits, now)
            granted.append(entry.member)
        return granted, 0.0 if waiter else None

    def leave(self, member: str) -> bool:
        """Remove a member from the queue; return False if it does not wait."""
        return self.fair_queue.remove(member)

    def give_back(self, entry: QueueEntry, limits: LaneLimits) -> None:
        """Return the capacity of a granted entry that was not sent."""
        state = self.state
        if self._is_unlimited(limits):
            return
        costs = self._refill_seconds(entry.tokens, limits)
        for kind in (0, 1):
            state.full_at[kind] -= costs[kind]
        state.pace_at -= max(costs)
        self._mark_answered(1)

    def learn(self, report: CapacityReport, limits: LaneLimits, now: float) -> None:
        """Apply what responses said about the upstream's limits."""
        state = self.state
        state.follow_clock_back(now)
        if report.answered:
            self._mark_answered(report.answered)
            state.last_answer_at = now
        if report.succeeded and self._shows_reopening(report, now):
            state.reopen(now)
        reported = ((report.rpm, report.rpm_remaining), (report.tpm, report.tpm_remaining))
        for kind, (limit, left) in enumerate(reported):
            if limit > 0:
                self._learn_limit(kind, limit, left, report, limits, now)
        if report.closed_for > report.age:  # the upstream counted from when it received the request
            self._pause(report.closed_window, report.closed_for - report.age, report, limits, now)
        if report.succeeded:
            self._grow_window(report.succeeded, limits)
        if report.rejection_kind or report.outage:
            self._learn_failure(report, limits, now)

    # the methods below only read

    def _is_unlimited(self, limits: LaneLimits) -> bool:
        return self.state.unlimited and not (limits.rpm or limits.tpm)

    def _limit(self, kind: int, limits: LaneLimits) -> int:
        return (limits.rpm, limits.tpm)[kind] or self.state.limits[kind]

    def _costs(self, calls: float, tokens: float, limits: LaneLimits) -> list[float]:
        """Return the seconds of refill that these requests and tokens take from each bucket."""
        amounts = (calls, tokens)
        rates = [self._limit(kind, limits) for kind in (0, 1)]
        return [amounts[kind] * WINDOW_SECONDS / rates[kind] if rates[kind] else 0.0 for kind in (0, 1)]

    def _refill_seconds(self, tokens: int, limits: LaneLimits) -> list[float]:
        """Return the seconds of refill that one request takes from each bucket: at most a whole bucket."""
        return [min(WINDOW_SECONDS, seconds) for seconds in self._costs(1, tokens, limits)]

    def _service_time(self, limits: LaneLimits) -> ServiceTime:
        return lambda calls, tokens: max(self._costs(calls, tokens, limits)) or calls

    def _free_seconds(self, kind: int, now: float) -> float:
        return WINDOW_SECONDS - MARGIN_SECONDS - max(0.0, self.state.full_at[kind] - now)

    def _light_reserve(self, limits: LaneLimits, now: float) -> list[float]:
        """Return the reserve for light flows: half of what is available; while entries wait, it does not grow."""
        reserve = []
        for kind in (0, 1):
            available = max(0.0, self._free_seconds(kind, now))
            target = self.state.light_reserve[kind]
            if not self.fair_queue.waiting:
                target = max(target, available / 2)
            reserve.append(min(LIGHT_RESERVE_SECONDS, target, available) if self._limit(kind, limits) else 0.0)
        return reserve

    def _refresh(self, limits: LaneLimits, now: float) -> None:
        self.state.light_reserve = self._light_reserve(limits, now)
        self._mark_answered(self.state.unanswered - self._unanswered(now))

    def _unanswered(self, now: float) -> int:
        return 0 if now - self.state.last_answer_at > SILENCE_SECONDS else self.state.unanswered

    def _buckets_allow_at(
        self, total: list[float], entry: QueueEntry, limits: LaneLimits, reserve: list[float], now: float
    ) -> float:
        """Return when both buckets have `total`, the entry included. A request larger than a bucket needs all of it."""
        own = self._refill_seconds(entry.tokens, limits)
        at = max(now, self.state.not_before)
        for kind in (0, 1):
            if self._limit(kind, limits):
                level = max(WINDOW_SECONDS - MARGIN_SECONDS - reserve[kind], own[kind])
                at = max(at, max(self.state.full_at[kind], now) + total[kind] - level)
        return at

    def _window_allows_at(self, limits: LaneLimits, now: float) -> float:
        """Return when one more request may be unanswered; infinity where that depends on a response."""
        if self._is_unlimited(limits) or self._unanswered(now) + 1 <= self.state.window:
            return now
        has_limit = self._limit(0, limits) or self._limit(1, limits)
        return max(now, self.state.pace_at - PACE_SECONDS) if has_limit else math.inf

    def _shows_reopening(self, report: CapacityReport, now: float) -> bool:
        """Return whether a success was sent well after the upstream asked for a long wait."""
        state = self.state
        return state.look_at > 0 and now < state.not_before and now - report.age > state.closed_at + RECHECK_SECONDS

    def _is_own_refusal(self, report: CapacityReport) -> bool:
        """Return whether a 429 is one among many successes; a limit that is used up closes the lane nevertheless."""
        return self.state.successes_in_row >= OWN_REFUSAL_RUN * max(1, report.answered - report.succeeded)

    def _seconds_until_grant(self, entry: QueueEntry, limits: LaneLimits, now: float) -> float:
        if self.state.may_look(now):
            return 0.0
        costs = self._refill_seconds(entry.tokens, limits)
        buckets_allow = self._buckets_allow_at(costs, entry, limits, self._light_reserve(limits, now), now)
        return max(buckets_allow, self._window_allows_at(limits, now)) - now

    def _is_light(self, entry: QueueEntry, limits: LaneLimits, now: float) -> bool:
        cost = max(self._refill_seconds(entry.tokens, limits))
        return self.fair_queue.usage_seconds(entry.flow_id, now) + cost / USAGE_SHARE <= WINDOW_SECONDS

    def _eta(self, entry: QueueEntry, calls: float, tokens: float, limits: LaneLimits, now: float) -> float:
        own, ahead = self._refill_seconds(entry.tokens, limits), self._costs(calls, tokens, limits)
        total = [ahead[kind] + own[kind] for kind in (0, 1)]
        at = self._buckets_allow_at(total, entry, limits, self._light_reserve(limits, now), now)
        if not (self._limit(0, limits) or self._limit(1, limits)):
            # no rate is known: the window doubles with each round trip, and a round trip takes about a second
            at += math.log(1 + calls / self.state.window) / math.log(2)
        return at - now

    # the methods below change the state

    def _remove_process(self, process: str) -> None:
        for member in [member for member in self.fair_queue.waiting if process_of(member) == process]:
            self.fair_queue.remove(member)

    def _learn_limit(
        self, kind: int, limit: int, left: int, report: CapacityReport, limits: LaneLimits, now: float
    ) -> None:
        state = self.state
        first = state.limits[kind] == 0
        state.limits[kind], state.unlimited = limit, False
        if left >= 0:
            limit_used = self._limit(kind, limits)
            # the upstream counted this remainder between the sending of the request and now, and rounded it down
            upper_bound = left - state.unanswered if first else left + 1 + report.age * limit_used / WINDOW_SECONDS
            remaining = max(0.0, min(float(upper_bound), float(limit_used)))
            state.full_at[kind] = max(state.full_at[kind], now + (limit_used - remaining) * WINDOW_SECONDS / limit_used)
            self._raise_estimate(kind, left, report, limits, now)
        if first:
            state.light_reserve[kind] = max(0.0, min(LIGHT_RESERVE_SECONDS, self._free_seconds(kind, now) / 2))

    def _raise_estimate(self, kind: int, left: int, report: CapacityReport, limits: LaneLimits, now: float) -> None:
        """Raise the estimate if the upstream reports for a while that far more remains than estimated.

        Token estimates may be too high. Only fresh reports count. All unanswered requests and DOUBT_RATIO of the limit
        are subtracted, and of all reports within PROOF_SECONDS the smallest remainder is used.
        """
        state = self.state
        if state.has_rejected or report.age > FRESH_SECONDS or (limits.rpm, limits.tpm)[kind]:
            return
        limit = state.limits[kind]
        remaining = max(0.0, left - (state.unanswered, state.unanswered_tokens)[kind] - DOUBT_RATIO * limit)
        since = now - state.min_remaining_since[kind]
        if since < PROOF_SECONDS:
            state.min_remaining[kind] = min(remaining, state.min_remaining[kind])
            return
        if since < 2 * PROOF_SECONDS and (proven := min(remaining, state.min_remaining[kind], float(limit))) > 0:
            state.full_at[kind] = min(state.full_at[kind], now + (limit - proven) * WINDOW_SECONDS / limit)
        state.min_remaining[kind], state.min_remaining_since[kind] = remaining, now

    def _mark_answered(self, answered: int) -> None:
        """Subtract answered requests from the unanswered ones, and their average tokens."""
        state = self.state
        back = min(answered, state.unanswered)
        if back:
            state.unanswered_tokens -= state.unanswered_tokens * back / state.unanswered
        state.unanswered -= back

    def _pause(self, bucket: str, wait: float, report: CapacityReport, limits: LaneLimits, now: float) -> None:
        """Send nothing for `wait` seconds; after them the bucket that `bucket` names has just this request's cost."""
        state, at = self.state, now + wait
        state.not_before = max(state.not_before, at)
        if wait > LOOK_SECONDS:
            state.look_at, state.closed_at = now + LOOK_SECONDS, now
        costs = self._refill_seconds(report.tokens, limits)
        for kind, name in enumerate(("requests", "tokens")):
            if name == bucket and self._limit(kind, limits):
                state.full_at[kind] = max(state.full_at[kind], at + WINDOW_SECONDS - costs[kind])

    def _grow_window(self, succeeded: int, limits: LaneLimits) -> None:
        state = self.state
        state.rejections_in_row = 0
        state.successes_in_row += succeeded
        rpm = self._limit(0, limits)
        has_limit = rpm or self._limit(1, limits)
        step = succeeded / state.window if state.has_rejected and not has_limit else float(succeeded)
        state.window = min(state.window + step, max(START_WINDOW, float(rpm or MAX_WINDOW)))
        if not has_limit and not state.has_rejected and state.window >= UNLIMITED_WINDOW:
            state.unlimited = True

    def _learn_failure(self, report: CapacityReport, limits: LaneLimits, now: float) -> None:
        state = self.state
        if report.rejection_kind and not self._is_own_refusal(report):
            self._cut_window(report, limits, now)
        if report.outage:
            state.window, state.unlimited = min(state.window, START_WINDOW), False
        state.successes_in_row = 0

    def _cut_window(self, report: CapacityReport, limits: LaneLimits, now: float) -> None:
        """Apply a 429: halve the window, and pause. Several 429s from the same round trip halve it once."""
        state = self.state
        state.unlimited, state.has_rejected = False, True
        if now - report.age >= state.window_cut_at:
            state.window_cut_at = now
            state.rejections_in_row += 1
            state.window = max(MIN_WINDOW, state.window / 2)
        backoff = min(MAX_BACKOFF_SECONDS, 2.0 ** (max(1, state.rejections_in_row) - 1))
        wait = report.retry_after if report.retry_after >= 0 else backoff
        self._pause(report.rejection_kind, wait, report, limits, now)

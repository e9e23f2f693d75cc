"""One upstream call: take the steps of the fallback policy until something answers, and settle before the last byte.

The pipeline makes an `UpstreamCall` for each request that the cache cannot answer, and reads it as a flight's source.
The call asks `fallback_policy.next_step` what to do, runs attempts, and collects how each of them ended. It settles
exactly one outcome, with the failed attempts in it, before the caller gets the last event, the whole body or the error.
So whatever the caller received is accounted for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import assert_never

import msgspec

from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import Clock
from tidegate.core.config import RetriesConfig
from tidegate.core.errors import ClientDisconnected, TidegateError, UnfinishedAnswer
from tidegate.core.errors.traces import forget_traces
from tidegate.core.values import AnswerHead, Outcome
from tidegate.providers.base import Provider
from tidegate.routing.attempt import Attempt, UpstreamSlot
from tidegate.routing.attempt_outcome import attempt_outcome
from tidegate.routing.attempt_runner import AttemptRunner, WaitForSlot
from tidegate.routing.call_services import CallServices, CallSpec
from tidegate.routing.error_scope import trial_may_help
from tidegate.routing.fallback_policy import (
    Fail,
    FallbackState,
    FallbackStep,
    GiveCanned,
    GiveStale,
    RetrySameTarget,
    SendTo,
    Snapshot,
    Step,
    next_step,
)
from tidegate.routing.hang_ups import HangUps
from tidegate.routing.health.circuit_breaker import TRIAL, Circuit
from tidegate.routing.health.registry import HealthRegistry
from tidegate.routing.health.trial_waits import MAX_WAIT_SECONDS
from tidegate.routing.plan import Plan
from tidegate.routing.retry_budget import RetryBudget

_DRAIN_SECONDS = 0.02
"""For which an abandoned stream is read on."""
CANNED = "canned"
"""The provider that the ledger names for a canned reply."""


class FallbackChain:
    """What all upstream calls of a process share: providers, health, retry budget and clock."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        providers: Mapping[str, Provider],
        health: HealthRegistry,
        retries: RetriesConfig,
        total_seconds: float,
        clock: Clock,
        random: Random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare the chain; `total_seconds` limits a call after its queue wait, `pause` waits between attempts."""
        self.providers = providers
        self.health = health
        self.clock = clock
        self.pause = pause
        self.total_seconds = total_seconds
        self.hang_ups = HangUps()
        self.retry_budget = RetryBudget(ratio=retries.budget_ratio, minimum=retries.budget_min)
        self._max_retries = retries.max_retries
        self._random = random
        self._credentials = {name: provider.credentials for name, provider in providers.items()}

    def first_step(self, plan: Plan, *, deadline: float) -> SendTo | None:
        """Return where a call would be sent now; None where no target can take it, or only one call at a time may."""
        step = self.next_step(self.start(plan), deadline)
        return step if isinstance(step, SendTo) and not step.claim else None

    def may_send_to(self, send_to: SendTo) -> bool:
        """Return whether its target is not down and its credential not disabled."""
        snapshot = self.health.snapshot
        closed = snapshot.breaker(send_to.target).circuit is Circuit.CLOSED
        return closed and not snapshot.credential(send_to.target, send_to.credential).is_disabled

    def start(self, plan: Plan) -> FallbackState:
        """Return the state of a call that has tried nothing yet."""
        return FallbackState(plan=plan, credentials=self._credentials)

    def next_step(self, state: FallbackState, deadline: float) -> Step:
        """Return the next step of a call."""
        snapshot = Snapshot(
            now=self.clock.now(),
            deadline=deadline,
            health=self.health.snapshot,
            max_retries=self._max_retries,
            may_retry=not state.failures or self.retry_budget.allows(self.clock.monotonic()),
            draw=self._random.random() if state.failures else 0.0,
        )
        return next_step(state, snapshot)


class UpstreamCall:
    """One call. Implements `tidegate.coalescing.flight.FlightSource`.

    `services.settle` is awaited before the last event, the whole body or the error is passed on. It may be called twice
    with the same outcome if it is cancelled half-way, so it must be idempotent.
    """

    def __init__(self, spec: CallSpec, services: CallServices, chain: FallbackChain) -> None:
        self._spec = spec
        self._services = services
        self._chain = chain
        self._state = chain.start(spec.plan)
        self._deadline = chain.clock.monotonic() + spec.deadline - chain.clock.now() + chain.total_seconds
        """When the call's total time is over, on the monotonic clock."""
        self._send_to: SendTo | None = None
        """The last target that an attempt was sent to."""
        self._attempt: Attempt | None = None
        """The attempt in progress."""
        self._failed_attempt: Attempt | None = None
        self._slots: list[UpstreamSlot] = []
        self._buffered_answer: BufferedAnswer | None = None
        self._fallback_step: FallbackStep | None = None
        self._failed_outcomes: tuple[Outcome, ...] = ()
        """Outcomes of the failed attempts."""
        self._reserved_retries = 0
        """The number of failed attempts that may be charged and were replaced by a reservation for another one."""
        self._queued_ms = 0
        self._trial_wait_began: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._outcome: Outcome | None = None
        """The outcome, once the call has ended."""
        self._settled = False
        self.cost_nanos = 0
        """The cost of the call, once settled."""

    async def open(self) -> AnswerHead:
        """Find an answer; one that is no stream is read whole. Raises TidegateError."""
        try:
            head = await self._find_answer()
        except TidegateError as error:
            await self._settle_once(error)
            raise
        if not head.stream or self._attempt is None:
            await self._settle_once(None)
        return head

    async def more(self) -> list[bytes]:
        """Return the next events. Raises TidegateError."""
        attempt = self._attempt
        if self._outcome is None and attempt is not None:
            try:
                if events := await attempt.next_events():
                    return events
            except TidegateError as error:
                self._outcome = self._final_outcome(forget_traces(error))
                self._chain.health.note_failure(attempt.request.target, attempt.credential, error)
        if not self._settled:
            await self._settle_once(None)
        if self._outcome is not None and self._outcome.error is not None:
            raise self._outcome.error
        return self._take_last_events()

    async def leave(self) -> None:
        """Tell the upstream that the client has left, and read on until it has noticed."""
        attempt = self._attempt
        if attempt is None or self._outcome is not None:
            return
        hang_ups, clock, provider = self._chain.hang_ups, self._chain.clock, attempt.request.target.provider
        left_at = clock.monotonic()
        if await attempt.hang_up(hang_ups.patience(provider, left_at)):
            now = clock.monotonic()
            hang_ups.note(provider, now, shown=attempt.hang_up_was_seen)
            if attempt.hang_up_was_seen and not attempt.observer.is_complete:
                attempt.hang_up_delay = hang_ups.delay(provider, now - left_at)

    async def abandon(self, error: TidegateError | None = None) -> None:
        """Cut the connection to the upstream, and account for what was used; without `error`, the client left."""
        if self._attempt is not None:
            if self._outcome is None and not self._attempt.hang_up_was_seen:
                await self._attempt.drain(_DRAIN_SECONDS)
            self._attempt.close()
        await self._settle_once(error or ClientDisconnected())

    # the fallback chain

    async def _find_answer(self) -> AnswerHead:
        self._chain.retry_budget.add_call(self._chain.clock.monotonic())
        step = self._first_step()
        while True:
            head = await self._take_step(step)
            if head is not None:
                return head
            step = self._next_step()

    def _first_step(self) -> Step:
        """Return the step that was decided before the queue, unless its target failed since."""
        first = self._spec.first_step
        if first is None or self._chain.may_send_to(first):
            return first or self._next_step()
        self._slots.append(self._services.slot(first, 0))
        self._slots[0].decline()
        return self._next_step()

    def _next_step(self) -> Step:
        return self._chain.next_step(self._state, self._spec.deadline)

    async def _take_step(self, step: Step) -> AnswerHead | None:
        """Take one step; return the answer's head, or None to take another. Raises TidegateError after the last."""
        match step:
            case SendTo() | RetrySameTarget() if self._failed_outcomes and not await self._can_pay_retry():
                self._state = self._state.without_budget()
                return None
            case SendTo():
                return await self._send(step) if await self._may_send(step) else None
            case RetrySameTarget():
                return await self._send_again()
            case GiveStale():
                self._state = self._state.without_stale()
                return self._give_fallback(await self._services.stale_answer(), FallbackStep.STALE)
            case GiveCanned():
                self._state = self._state.without_canned()
                return self._give_fallback(await self._services.canned_reply(), FallbackStep.CANNED)
            case Fail():
                head = self._failed_response(step.error)
                if head is None and not (trial_may_help(step.error) and await self._waited_for_trial()):
                    raise step.error
                return head
        assert_never(step)

    async def _waited_for_trial(self) -> bool:
        """Wait while another call tries a target that may be back; return False where none does, or in no time."""
        clock = self._chain.clock
        trials = [claim.removeprefix(TRIAL) for claim in self._state.lost_claims if claim.startswith(TRIAL)]
        began = self._trial_wait_began = self._trial_wait_began or clock.monotonic()
        left = min(MAX_WAIT_SECONDS - (clock.monotonic() - began), self._spec.deadline - clock.now())
        if not trials or left <= 0:
            return False
        await self._chain.health.trial_waits.wait(trials[0], left)
        self._state = msgspec.structs.replace(self._state, lost_claims=frozenset())
        return True

    async def _can_pay_retry(self) -> bool:
        """Return whether the budget has room for one more attempt.

        The call's reservation pays for one attempt. Each failed one may be charged, too, and needs another reservation.
        """
        if sum(outcome.may_be_charged for outcome in self._failed_outcomes) == self._reserved_retries:
            return True
        self._reserved_retries += 1
        return await self._services.reserve_retry()

    async def _may_send(self, send_to: SendTo) -> bool:
        chain = self._chain
        if send_to.claim and not await chain.health.claim(
            send_to.claim, send_to.claim_seconds, fleet_seconds=send_to.fleet_claim_seconds
        ):
            self._state = self._state.with_lost_claim(send_to.claim)
            return False
        if send_to.delay_seconds > 0:
            chain.retry_budget.add_retry(chain.clock.monotonic())
            await chain.pause(send_to.delay_seconds)
        return True

    async def _send(self, send_to: SendTo) -> AnswerHead | None:
        chain, spec = self._chain, self._spec
        slot = self._services.slot(send_to, len(self._slots))
        provider = chain.providers[send_to.target.provider]
        self._send_to = send_to
        try:
            request = provider.build_request(spec.call, send_to.target)
        except TidegateError as error:
            slot.decline()
            if send_to.is_trial:
                chain.health.release_trial(send_to.target)
            self._state = self._state.with_failure(send_to, error)
            return None
        self._slots.append(slot)
        attempt = Attempt(
            request,
            send_to.credential,
            provider=provider,
            headers=spec.headers,
            slot=slot,
            clock=chain.clock,
            hold=spec.hold,
        )
        return await self._run_attempt(send_to, attempt, slot.wait)

    async def _send_again(self) -> AnswerHead | None:
        """Send the call again to the target that rejected it for its rate, once its lane has capacity."""
        send_to, before = self._send_to, self._failed_attempt
        assert send_to is not None and before is not None  # noqa: S101, PT018  # an attempt was rejected
        self._send_to = send_to = msgspec.structs.replace(send_to, fallback_step=FallbackStep.RETRY, claim="")
        return await self._run_attempt(send_to, before.renewed(), before.slot.wait_again)

    async def _run_attempt(self, send_to: SendTo, attempt: Attempt, wait: WaitForSlot) -> AnswerHead | None:
        """Run an attempt once it has its slot; return the answer's head, or None where it failed."""
        self._attempt = attempt
        left = self._deadline - self._chain.clock.monotonic() if self._state.failures else None
        runner = AttemptRunner(send_to, attempt, self._chain.health, seconds=left)
        try:
            begun = await runner.run(wait)
        except TidegateError as error:
            self._note_failure(send_to, attempt, error)
            return None
        if not begun:
            self._attempt = None
            self._state = self._state.without_lane_wait()
            return None
        if left is not None and attempt.stream:
            left = self._deadline - self._chain.clock.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, left), attempt.time_out)
        return self._head(attempt)

    def _note_failure(self, send_to: SendTo, attempt: Attempt, error: TidegateError) -> None:
        forget_traces(error)
        self._state = self._state.with_failure(send_to, error)
        self._failed_outcomes = (*self._failed_outcomes, attempt_outcome(send_to, attempt, error, is_passed_on=False))
        self._failed_attempt, self._attempt = attempt, None

    # the answer

    def _head(self, attempt: Attempt) -> AnswerHead:
        target = attempt.request.target
        self._queued_ms = round(1000 * sum(slot.waited_seconds for slot in self._slots))
        return AnswerHead(
            stream=attempt.stream,
            served_by=f"{target.provider}/{attempt.observer.model or target.model}",
            echo=self._spec.echo,
            queued_ms=self._queued_ms,
            adaptations=attempt.request.adaptations,
        )

    def _give_fallback(self, answer: BufferedAnswer | None, fallback_step: FallbackStep) -> AnswerHead | None:
        if answer is None:
            return None
        self._buffered_answer, self._fallback_step = answer, fallback_step
        self._queued_ms = round(1000 * sum(slot.waited_seconds for slot in self._slots))
        return msgspec.structs.replace(answer.answer_head, queued_ms=self._queued_ms)

    def _failed_response(self, error: TidegateError) -> AnswerHead | None:
        """Return the head of a Response whose own status is `failed`: it is passed on as it is."""
        failed = self._failed_attempt
        if failed is None or not failed.is_complete or self._state.failures[-1].error is not error:
            return None
        self._attempt, self._failed_attempt, self._failed_outcomes = failed, None, self._failed_outcomes[:-1]
        return self._head(failed)

    def _take_last_events(self) -> list[bytes]:
        if self._buffered_answer is not None:
            events, self._buffered_answer = self._buffered_answer.events, None
            return list(events)
        if self._attempt is None:
            return []
        last, self._attempt.last_events = self._attempt.last_events, []
        return last

    # the end

    async def _settle_once(self, error: TidegateError | None) -> None:
        if self._outcome is None:
            self._outcome = self._final_outcome(error)
            if self._attempt is not None and isinstance(self._outcome.reported_error, UnfinishedAnswer | None):
                self._chain.health.note_completed(self._attempt.request.target)
        if self._timer is not None:
            self._timer.cancel()
        if self._settled:
            return
        self.cost_nanos = await self._services.settle(self._outcome)
        self._settled = True
        if self._attempt is not None and self._outcome.error is None:
            self._attempt.release()
        elif self._attempt is not None:
            self._attempt.close()

    def _final_outcome(self, error: TidegateError | None) -> Outcome:
        send_to, attempt, before = self._send_to, self._attempt, self._failed_outcomes
        if self._fallback_step is not None:
            provider = CANNED if self._fallback_step is FallbackStep.CANNED else None
            last = Outcome(sent=False, provider=provider, fallback_step=self._fallback_step.value)
        elif attempt is not None and send_to is not None:
            last = attempt_outcome(send_to, attempt, error, is_passed_on=True)
        else:
            same = [outcome for outcome in before if outcome.error is error]
            last = same[-1] if error is not None and same else Outcome(error=error, reported_error=error, sent=False)
            before = tuple(outcome for outcome in before if outcome is not last)
        attempts = sum(outcome.sent for outcome in (*before, last)) if before else int(last.sent)
        if error is not None:
            self._queued_ms = round(1000 * sum(slot.waited_seconds for slot in self._slots))
        return msgspec.structs.replace(last, previous_attempts=before, attempts=attempts, queued_ms=self._queued_ms)

"""A call's way down the ladder, as the source of its answer: asked, watched, settled before its last byte."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import assert_never

import msgspec

from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import Clock
from tidegate.core.config import RetriesConfig
from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.values import AnswerHead, Outcome
from tidegate.providers.base import Provider
from tidegate.routing.attempt import Attempt, UpstreamSlot
from tidegate.routing.attempt_runner import AttemptRunner, WaitForSlot
from tidegate.routing.call_services import CallServices, CallSpec
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
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.registry import HealthRegistry
from tidegate.routing.plan import Plan
from tidegate.routing.retry_budget import RetryBudget

_DRAIN_SECONDS = 0.02
"""For which a stream that nobody waits for any more is read on."""
CANNED = "canned"
"""Who is said to have answered with a canned reply."""


class FallbackChain:
    """What all calls share on their way upstream."""

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
        """`total_seconds` is how long a call may take, once its waiting is over; `pause` waits between attempts."""
        self.providers = providers
        self.health = health
        self.clock = clock
        self.pause = pause
        self.total_seconds = total_seconds
        self.retry_budget = RetryBudget(ratio=retries.budget_ratio, minimum=retries.budget_min)
        self._max_retries = retries.max_retries
        self._random = random
        self._credentials = {name: provider.credentials for name, provider in providers.items()}

    def first_step(self, plan: Plan, *, deadline: float) -> SendTo | None:
        """Where a call would be sent now; None where nobody can be asked, or only by one call at a time."""
        step = self.next_step(self.start(plan), deadline)
        return step if isinstance(step, SendTo) and not step.claim else None

    def may_send_to(self, send_to: SendTo) -> bool:
        """Whether nothing is known against it."""
        standings = self.health.snapshot
        closed = standings.breaker(send_to.target).circuit is Circuit.CLOSED
        return closed and not standings.credential(send_to.target, send_to.credential).is_disabled

    def start(self, plan: Plan) -> FallbackState:
        """A call at the ladder's top."""
        return FallbackState(plan=plan, credentials=self._credentials)

    def next_step(self, state: FallbackState, deadline: float) -> Step:
        """What to do next for a call."""
        moment = Snapshot(
            now=self.clock.now(),
            deadline=deadline,
            health=self.health.snapshot,
            max_retries=self._max_retries,
            may_retry=not state.failures or self.retry_budget.allows(self.clock.monotonic()),
            draw=self._random.random() if state.failures else 0.0,
        )
        return next_step(state, moment)


class UpstreamCall:
    """One call. Implements `tidegate.coalescing.flight.Source`.

    `ways.settle` is awaited before the last event, the whole body or the error is handed on. It may be called twice
    with the same outcome if it is cancelled half-way, so it must be idempotent.
    """

    def __init__(self, spec: CallSpec, services: CallServices, chain: FallbackChain) -> None:
        self._spec = spec
        self._services = services
        self._chain = chain
        self._state = chain.start(spec.plan)
        self._deadline = chain.clock.monotonic() + spec.deadline - chain.clock.now() + chain.total_seconds
        """When the call has had its time, on the monotonic clock."""
        self._send_to: SendTo | None = None
        """The last that was asked, or is being asked."""
        self._attempt: Attempt | None = None
        """The one that is under way, or answers."""
        self._failed_attempt: Attempt | None = None
        """The last one that failed."""
        self._slots: list[UpstreamSlot] = []
        self._buffered_answer: BufferedAnswer | None = None
        self._fallback_step: FallbackStep | None = None
        self._failed_outcomes: tuple[Outcome, ...] = ()
        """How the attempts that failed ended."""
        self._reserved_retries = 0
        """Of those that may be charged, for how many the money of another attempt was set aside."""
        self._timer: asyncio.TimerHandle | None = None
        self._outcome: Outcome | None = None
        """How it ended, once it has."""
        self._settled = False
        self.cost_nanos = 0
        """What the call cost, once settled."""

    async def open(self) -> AnswerHead:
        """Find somebody who answers; an answer in one piece is read to its end. Raises TidegateError."""
        try:
            head = await self._find_answer()
        except TidegateError as error:
            await self._settle_once(error)
            raise
        if not head.stream or self._attempt is None:
            await self._settle_once(None)
        return head

    async def more(self) -> list[bytes]:
        """The next events. Raises TidegateError."""
        attempt = self._attempt
        if self._outcome is None and attempt is not None:
            try:
                if events := await attempt.next_events():
                    return events
            except TidegateError as error:
                self._outcome = self._final_outcome(error)
                self._chain.health.note_failure(attempt.request.target, attempt.credential, error)
        if not self._settled:
            await self._settle_once(None)
        if self._outcome is not None and self._outcome.error is not None:
            raise self._outcome.error
        return self._take_last_events()

    async def abandon(self) -> None:
        """Cut the call upstream, and account for what was used."""
        if self._attempt is not None:
            if self._outcome is None:
                await self._attempt.drain(_DRAIN_SECONDS)
            self._attempt.close()
        await self._settle_once(ClientDisconnected())

    # down the ladder

    async def _find_answer(self) -> AnswerHead:
        self._chain.retry_budget.add_call(self._chain.clock.monotonic())
        step = self._first_step()
        while True:
            head = await self._take_step(step)
            if head is not None:
                return head
            step = self._next_step()

    def _first_step(self) -> Step:
        """As it was decided on the way in, unless something has happened since."""
        first = self._spec.first_step
        if first is None or self._chain.may_send_to(first):
            return first or self._next_step()
        self._slots.append(self._services.slot(first, 0))
        self._slots[0].decline()
        return self._next_step()

    def _next_step(self) -> Step:
        return self._chain.next_step(self._state, self._spec.deadline)

    async def _take_step(self, step: Step) -> AnswerHead | None:
        """One step; the answer's head, or None where another step must be taken. Raises TidegateError at the end."""
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
                if (head := self._failed_response(step.error)) is not None:
                    return head
                raise step.error
        assert_never(step)

    async def _can_pay_retry(self) -> bool:
        """Whether an attempt may be paid: what was set aside pays one, and each that failed may be charged, too."""
        if sum(outcome.may_be_charged for outcome in self._failed_outcomes) == self._reserved_retries:
            return True
        self._reserved_retries += 1
        return await self._services.reserve_retry()

    async def _may_send(self, ask: SendTo) -> bool:
        ladder = self._chain
        if ask.claim and not await ladder.health.claim(
            ask.claim, ask.claim_seconds, fleet_seconds=ask.fleet_claim_seconds
        ):
            self._state = self._state.with_lost_claim(ask.claim)
            return False
        if ask.delay_seconds > 0:
            ladder.retry_budget.add_retry(ladder.clock.monotonic())
            await ladder.pause(ask.delay_seconds)
        return True

    async def _send(self, ask: SendTo) -> AnswerHead | None:
        ladder, question = self._chain, self._spec
        turn = self._services.slot(ask, len(self._slots))
        provider = ladder.providers[ask.target.provider]
        self._send_to = ask
        try:
            request = provider.build_request(question.call, ask.target)
        except TidegateError as error:
            turn.decline()
            if ask.is_trial:
                ladder.health.release_trial(ask.target)
            self._state = self._state.with_failure(ask, error)
            return None
        self._slots.append(turn)
        attempt = Attempt(
            request,
            ask.credential,
            provider=provider,
            headers=question.headers,
            slot=turn,
            clock=ladder.clock,
        )
        return await self._run_attempt(ask, attempt, turn.wait)

    async def _send_again(self) -> AnswerHead | None:
        """To where it was refused for its rate, once there is room."""
        ask, before = self._send_to, self._failed_attempt
        assert ask is not None  # noqa: S101  # it was refused
        assert before is not None  # noqa: S101  # it was refused
        self._send_to = ask = msgspec.structs.replace(ask, fallback_step=FallbackStep.RETRY, claim="")
        return await self._run_attempt(ask, before.renewed(), before.slot.wait_again)

    async def _run_attempt(self, ask: SendTo, attempt: Attempt, come: WaitForSlot) -> AnswerHead | None:
        """Send an attempt when its turn has come; None where it failed."""
        self._attempt = attempt
        left = self._deadline - self._chain.clock.monotonic() if self._state.failures else None
        sending = AttemptRunner(ask, attempt, self._chain.health, seconds=left)
        try:
            begun = await sending.run(come)
        except TidegateError as error:
            self._note_failure(ask, attempt, error)
            return None
        if not begun:
            self._attempt = None
            self._state = self._state.without_lane_wait()
            return None
        if left is not None and attempt.stream:
            left = self._deadline - self._chain.clock.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, left), attempt.time_out)
        return self._head(attempt)

    def _note_failure(self, ask: SendTo, attempt: Attempt, error: TidegateError) -> None:
        self._state = self._state.with_failure(ask, error)
        self._failed_outcomes = (*self._failed_outcomes, _attempt_outcome(ask, attempt, error, handed_on=False))
        self._failed_attempt, self._attempt = attempt, None

    # the answer

    def _head(self, attempt: Attempt) -> AnswerHead:
        target = attempt.request.target
        return AnswerHead(
            stream=attempt.stream,
            served_by=f"{target.provider}/{attempt.observer.model or target.model}",
            echo=self._spec.echo,
            queued_ms=round(1000 * sum(turn.waited_seconds for turn in self._slots)),
            adaptations=attempt.request.adaptations,
        )

    def _give_fallback(self, ready: BufferedAnswer | None, rung: FallbackStep) -> AnswerHead | None:
        if ready is None:
            return None
        self._buffered_answer, self._fallback_step = ready, rung
        return msgspec.structs.replace(
            ready.answer_head, queued_ms=round(1000 * sum(turn.waited_seconds for turn in self._slots))
        )

    def _failed_response(self, error: TidegateError) -> AnswerHead | None:
        """A Response that says itself that it failed is handed on as it is."""
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
            if self._attempt is not None and self._outcome.reported_error is None:
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
        ask, attempt, before = self._send_to, self._attempt, self._failed_outcomes
        if self._fallback_step is not None:
            provider = CANNED if self._fallback_step is FallbackStep.CANNED else None
            last = Outcome(sent=False, provider=provider, fallback_step=self._fallback_step.value)
        elif attempt is not None and ask is not None:
            last = _attempt_outcome(ask, attempt, error, handed_on=True)
        else:
            told = [outcome for outcome in before if outcome.error is error]
            last = told[-1] if error is not None and told else Outcome(error=error, reported_error=error, sent=False)
            before = tuple(outcome for outcome in before if outcome is not last)
        attempts = sum(outcome.sent for outcome in (*before, last)) if before else int(last.sent)
        return msgspec.structs.replace(last, previous_attempts=before, attempts=attempts)


def _attempt_outcome(ask: SendTo, attempt: Attempt, error: TidegateError | None, *, handed_on: bool) -> Outcome:
    """How an attempt ended; `handed_on` unless it failed before anybody saw anything of it."""
    watch, (seconds, silent) = attempt.observer, attempt.elapsed_seconds()
    return Outcome(
        error=error,
        reported_error=error or attempt.reported_error,
        stream=attempt.stream,
        events=tuple(attempt.events) if handed_on else (),
        usage=watch.usage,
        model=watch.model,
        service_tier=watch.service_tier,
        storable=error is None and watch.is_complete and watch.storable,
        sent=attempt.was_sent,
        first_byte_seconds=attempt.first_byte_seconds,
        upstream_request_id=attempt.request_id,
        provider=ask.target.provider,
        target_model=ask.target.model,
        adaptations=attempt.request.adaptations,
        fallback_step=ask.fallback_step.value,
        seconds=seconds,
        silent_seconds=silent,
    )

"""The fallback chain of one call: take the steps of the fallback policy until something answers.

Most calls need no chain: their first attempt is sent at once and answers (`UpstreamCall`). A `FallbackSearch` comes
into being where a call has to wait for its slot or a connection, where its attempt fails, or where no target is left.
It runs in a task of its own, because its steps cannot be interrupted and taken up again as reading can.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import assert_never

import msgspec

from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import Clock
from tidegate.core.config import RetriesConfig
from tidegate.core.errors import TidegateError
from tidegate.core.errors.traces import forget_traces
from tidegate.core.values import Outcome
from tidegate.providers.base import Provider, ProviderRequest
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

_MOST_FIRST_STEPS = 1000


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
        self._first_steps: dict[str, tuple[Plan, SendTo | None]] = {}
        """By model: the latest plan, and its first step while all is well."""

    def first_step(self, plan: Plan, *, deadline: float) -> SendTo | None:
        """Return where a call would be sent now; None where no target can take it, or only one call at a time may."""
        is_all_well = self._is_all_well()
        known = self._first_steps.get(plan.model) if is_all_well else None
        if known is not None and known[0] is plan:  # then neither the time nor the deadline matters
            return known[1]
        step = self.next_step(self.start(plan), deadline)
        first = step if isinstance(step, SendTo) and not step.claim else None
        if is_all_well:
            if len(self._first_steps) >= _MOST_FIRST_STEPS:  # callers choose the names of models
                self._first_steps.clear()
            self._first_steps[plan.model] = plan, first
        return first

    def may_send_to(self, send_to: SendTo) -> bool:
        """Return whether its target is not down and its credential not disabled."""
        if self._is_all_well():
            return True
        snapshot = self.health.snapshot
        closed = snapshot.breaker(send_to.target).circuit is Circuit.CLOSED
        return closed and not snapshot.credential(send_to.target, send_to.credential).is_disabled

    def _is_all_well(self) -> bool:
        """Return whether nothing is known to be down, disabled, limited or busy."""
        snapshot = self.health.snapshot
        return not snapshot.breakers and not snapshot.credentials and not snapshot.busy

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

    def attempt(self, spec: CallSpec, send_to: SendTo, request: ProviderRequest, slot: UpstreamSlot) -> Attempt:
        """Return an attempt, not sent yet."""
        return Attempt(
            request,
            send_to.credential,
            provider=self.providers[send_to.target.provider],
            headers=spec.headers,
            slot=slot,
            clock=self.clock,
            hold=spec.hold,
        )


class FallbackSearch:
    """The steps of one call. Only the task that runs `find` takes them; what they led to may be read at any time."""

    def __init__(self, spec: CallSpec, services: CallServices, chain: FallbackChain) -> None:
        self._spec = spec
        self._services = services
        self._chain = chain
        self._state = chain.start(spec.plan)
        self._deadline = chain.clock.monotonic() + spec.deadline - chain.clock.now() + chain.total_seconds
        """When the call's total time is over, on the monotonic clock."""
        self.send_to: SendTo | None = None
        """The last target that an attempt was sent to."""
        self.attempt: Attempt | None = None
        """The attempt in progress, or the one that answers."""
        self.buffered_answer: BufferedAnswer | None = None
        """The answer of a step that needs no upstream."""
        self.fallback_step: FallbackStep | None = None
        """That step."""
        self.failed_outcomes: tuple[Outcome, ...] = ()
        """Outcomes of the failed attempts."""
        self._failed_attempt: Attempt | None = None
        self._prepared: tuple[SendTo, Attempt] | None = None
        self._has_begun = False
        self._slots: list[UpstreamSlot] = []
        self._reserved_retries = 0
        """The number of failed attempts that may be charged and were replaced by a reservation for another one."""
        self._trial_wait_began: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def queued_ms(self) -> int:
        """How long the call waited for the capacity of its upstreams."""
        return round(1000 * sum(slot.waited_seconds for slot in self._slots))

    def begin_with(self, send_to: SendTo, attempt: Attempt) -> None:
        """Send this attempt first, which was prepared and could not be sent at once."""
        self._prepared = self.send_to, self.attempt = send_to, attempt
        self._slots.append(attempt.slot)

    def go_on_after(self, send_to: SendTo, attempt: Attempt, error: TidegateError) -> None:
        """Go on after this attempt, which failed."""
        self._has_begun = True
        self.send_to = send_to
        self._slots.append(attempt.slot)
        self._note_failure(send_to, attempt, error)

    async def find(self) -> Exception | None:
        """Take steps until something answers; return None then, and the error if all fails.

        The error is returned, not raised: a task that raised it keeps its traceback, and so the call.
        """
        try:
            while not await self._take_step(self._next_step()):
                pass
        except Exception as error:  # noqa: BLE001  # returned, whatever it was
            return error
        return None

    def stop_timer(self) -> None:
        """Let the call's total time run no further: it has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _next_step(self) -> Step:
        if not self._has_begun:
            self._has_begun = True
            if (first := self._first_step()) is not None:
                return first
        return self._chain.next_step(self._state, self._spec.deadline)

    def _first_step(self) -> SendTo | None:
        """Return the step that was decided before the queue, unless its target failed since."""
        if self._prepared is not None:
            return self._prepared[0]
        first = self._spec.first_step
        if first is None or self._chain.may_send_to(first):
            return first
        self._slots.append(self._services.slot(first, 0))
        self._slots[0].decline()
        return None

    async def _take_step(self, step: Step) -> bool:
        """Take one step; return whether it answers. Raises TidegateError after the last."""
        match step:
            case SendTo() | RetrySameTarget():
                return await self._take_attempt(step)
            case GiveStale():
                self._state = self._state.without_stale()
                return self._give(await self._services.stale_answer(), FallbackStep.STALE)
            case GiveCanned():
                self._state = self._state.without_canned()
                return self._give(await self._services.canned_reply(), FallbackStep.CANNED)
            case Fail():
                if self._passes_on_failed_response(step.error):
                    return True
                if not trial_may_help(step.error) or not await self._waited_for_trial():
                    raise step.error
                return False
        assert_never(step)

    async def _take_attempt(self, step: SendTo | RetrySameTarget) -> bool:
        if self.failed_outcomes and not await self._can_pay_retry():
            self._state = self._state.without_budget()
            return False
        if isinstance(step, RetrySameTarget):
            return await self._send_again()
        return await self._may_send(step) and await self._send(step)

    def _give(self, answer: BufferedAnswer | None, step: FallbackStep) -> bool:
        if answer is not None:
            self.buffered_answer, self.fallback_step = answer, step
        return answer is not None

    def _passes_on_failed_response(self, error: TidegateError) -> bool:
        """Return whether the failure is a Response whose own status is `failed`: it is passed on as it is."""
        failed = self._failed_attempt
        if failed is None or not failed.is_complete or self._state.failures[-1].error is not error:
            return False
        self.attempt, self.failed_outcomes = failed, self.failed_outcomes[:-1]
        return True

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
        if sum(outcome.may_be_charged for outcome in self.failed_outcomes) == self._reserved_retries:
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

    async def _send(self, send_to: SendTo) -> bool:
        self.send_to = send_to
        attempt = self._prepare(send_to)
        return attempt is not None and await self._run(send_to, attempt, attempt.slot.wait)

    def _prepare(self, send_to: SendTo) -> Attempt | None:
        """Return the attempt of a step; None where the target does not take such a call."""
        if self._prepared is not None:
            (_, attempt), self._prepared = self._prepared, None
            return attempt
        chain, spec = self._chain, self._spec
        slot = self._services.slot(send_to, len(self._slots))
        try:
            request = chain.providers[send_to.target.provider].build_request(spec.call, send_to.target)
        except TidegateError as error:
            slot.decline()
            if send_to.is_trial:
                chain.health.release_trial(send_to.target)
            self._state = self._state.with_failure(send_to, error)
            return None
        self._slots.append(slot)
        return chain.attempt(spec, send_to, request, slot)

    async def _send_again(self) -> bool:
        """Send the call again to the target that rejected it for its rate, once its lane has capacity."""
        send_to, before = self.send_to, self._failed_attempt
        assert send_to is not None and before is not None  # noqa: S101, PT018  # an attempt was rejected
        self.send_to = send_to = msgspec.structs.replace(send_to, fallback_step=FallbackStep.RETRY, claim="")
        return await self._run(send_to, before.renewed(), before.slot.wait_again)

    async def _run(self, send_to: SendTo, attempt: Attempt, wait: WaitForSlot) -> bool:
        """Run an attempt once it has its slot; return whether it answers."""
        self.attempt = attempt
        left = self._deadline - self._chain.clock.monotonic() if self._state.failures else None
        runner = AttemptRunner(send_to, attempt, self._chain.health)
        try:
            begun = await runner.run(wait, seconds=left)
        except TidegateError as error:
            self._note_failure(send_to, attempt, error)
            return False
        if not begun:
            self.attempt = None
            self._state = self._state.without_lane_wait()
            return False
        if left is not None and attempt.stream:
            left = self._deadline - self._chain.clock.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, left), attempt.time_out)
        return True

    def _note_failure(self, send_to: SendTo, attempt: Attempt, error: TidegateError) -> None:
        forget_traces(error)
        self._state = self._state.with_failure(send_to, error)
        self.failed_outcomes = (*self.failed_outcomes, attempt_outcome(send_to, attempt, error, is_passed_on=False))
        self._failed_attempt, self.attempt = attempt, None

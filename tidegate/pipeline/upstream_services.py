"""What the upstream call of one request needs of other packages: queue, limits, cache and ledger."""

import functools

import msgspec

from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import Clock
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.process.call_memory import MemoryHold
from tidegate.core.values import Outcome
from tidegate.limits.admission import AdmissionController
from tidegate.limits.retry_reservation import RetryReservation
from tidegate.metering.ledger.entries import encode
from tidegate.pipeline.context import Claim, RequestContext
from tidegate.pipeline.fallback_answers import FallbackAnswers
from tidegate.pipeline.settle import Settler
from tidegate.queue.messages import Queued, QueueEntry, QueueRejected, QueueVerdict
from tidegate.queue.slot import QueueSlot, QueueSlots
from tidegate.routing.call_services import CallSpec
from tidegate.routing.fallback_chain import FallbackChain
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.upstream_call import UpstreamCall


class UpstreamCalls:
    """Make upstream calls, each with its services."""

    def __init__(
        self,
        *,
        fallback_chain: FallbackChain,
        queue_slots: QueueSlots,
        admission: AdmissionController,
        settler: Settler,
        fallback_answers: FallbackAnswers,
        clock: Clock,
    ) -> None:
        self.fallback_chain = fallback_chain
        self.queue_slots = queue_slots
        self.admission = admission
        self.settler = settler
        self.fallback_answers = fallback_answers
        self.clock = clock

    def call(
        self, context: RequestContext, claim: Claim, verdict: QueueVerdict | None, hold: MemoryHold
    ) -> UpstreamCall:
        """Return the upstream call of a request that was admitted; `verdict` is what the queue said at admission.

        `hold` holds memory for the answer; its flight releases it.
        """
        spec = CallSpec(
            call=context.call,
            plan=context.plan,
            headers=context.upstream_headers,
            echo=context.echo,
            deadline=context.queue_deadline,
            first_step=context.first_step,
            hold=hold,
        )
        return UpstreamCall(spec, UpstreamServices(self, context, claim, verdict), self.fallback_chain)

    def decline(self, context: RequestContext, claim: Claim, verdict: QueueVerdict | None) -> None:
        """Return the slot that was granted to a request which needs no upstream call."""
        if context.first_step is not None:
            UpstreamServices(self, context, claim, verdict).slot(context.first_step, 0).decline()


class UpstreamServices:
    """The services of one call. Implements `tidegate.routing.call_services.CallServices`."""

    def __init__(
        self, shared: UpstreamCalls, context: RequestContext, claim: Claim, verdict: QueueVerdict | None
    ) -> None:
        self._shared = shared
        self._context = context
        self._claim = claim
        self._verdict = verdict
        self._retries: RetryReservation | None = None

    def slot(self, send_to: SendTo, number: int) -> QueueSlot:
        """Return the queue slot of the call's attempt `number`, from 0; the first was requested at admission."""
        shared, slot_request = self._shared, self._context.slot_request
        if number == 0 and send_to.lane == slot_request.lane:
            verdict = self._verdict
            if isinstance(verdict, Queued | QueueRejected):
                shared.fallback_chain.health.note_busy(slot_request.lane, verdict.eta)
            return shared.queue_slots.slot(
                slot_request.lane, self._queue_entry(slot_request.member, slot_request.deadline), verdict
            )
        deadline = self._context.queue_deadline
        if send_to.max_wait_seconds is not None:
            deadline = min(deadline, shared.clock.now() + send_to.max_wait_seconds)
        entry = self._queue_entry(f"{slot_request.member}-{number}", deadline)
        return shared.queue_slots.slot(send_to.lane, entry, None)

    async def reserve_retry(self) -> bool:
        """Reserve the cost of one more attempt; return whether every budget had room for it."""
        if self._retries is None:
            shared, context = self._shared, self._context
            entry = functools.partial(_encoded_entry, context.initial_entry)  # a method would make a cycle with `self`
            self._retries = RetryReservation(shared.admission, context.reservation, entry, shared.clock)
        return await self._retries.reserve()

    async def stale_answer(self) -> BufferedAnswer | None:
        """Return the stored answer to the same call, however old, if plan and caller allow it."""
        return await self._shared.fallback_answers.stale_answer(self._context)

    async def canned_reply(self) -> BufferedAnswer | None:
        """Return the reply that is configured for the route, if there is one."""
        return await self._shared.fallback_answers.canned_reply(self._context)

    async def settle(self, outcome: Outcome) -> int:
        """Write charge, ledger entry and stored answer in one round trip; return the cost in nano-dollars."""
        cost_nanos = await self._shared.settler.settle_call(self._context, self._claim, outcome)
        if self._retries is not None:
            await self._retries.release()
        return cost_nanos

    def _queue_entry(self, member: str, deadline: float) -> QueueEntry:
        slot_request = self._context.slot_request
        return QueueEntry(
            member=member,
            tokens=slot_request.tokens,
            flow=slot_request.flow,
            weight=slot_request.weight,
            deadline=deadline,
        )


def _encoded_entry(entry: LedgerEntry, name: str) -> bytes:
    return encode(msgspec.structs.replace(entry, id=name))

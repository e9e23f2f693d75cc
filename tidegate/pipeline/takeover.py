"""How a call continues when the process that was making it for several callers has died."""

import msgspec

from tidegate.cache.stored import AnswerCodec, StoredAnswer, UnreadableAnswer, in_form_in_steps
from tidegate.coalescing.flight import FlightSource
from tidegate.coalescing.registry import FlightRegistry
from tidegate.core.process.call_memory import MemoryHold
from tidegate.core.process.heavy_turns import with_pauses
from tidegate.core.values import AnswerHead
from tidegate.limits.decision import CacheHit, JoinFlight, SendUpstream
from tidegate.pipeline.admit import Admitter
from tidegate.pipeline.context import RequestContext, with_new_id
from tidegate.pipeline.upstream_services import UpstreamCalls


class CallTakeover:
    """Find another source for one call. Implements `tidegate.coalescing.follower.Takeover`."""

    def __init__(
        self,
        context: RequestContext,
        admitter: Admitter,
        upstream: UpstreamCalls,
        flights: FlightRegistry,
        codec: AnswerCodec,
        hold: MemoryHold,
    ) -> None:
        """`hold` holds memory for an answer that this process asks for; the flight releases it."""
        self._hold = hold
        self._context = context
        self._admitter = admitter
        self._upstream = upstream
        self._flights = flights
        self._codec = codec

    async def take_over(self, head: AnswerHead | None) -> FlightSource | str:
        """Return the stored answer, an upstream call of this process, or the name of a new owner to follow.

        `head` is how the answer began, if it did: it continues in that form, as a stream or as one body.
        """
        context, decision = await self._admit()
        if isinstance(decision, JoinFlight):
            return decision.owner
        if isinstance(decision, StoredAnswer):
            if head is not None:
                steps = in_form_in_steps(decision, context.call.endpoint, stream=head.stream)
                decision = await with_pauses(steps)
            return decision.buffered()
        if head is not None:
            context = msgspec.structs.replace(context, call=context.call.with_stream(stream=head.stream))
        claim = self._admitter.claim(context, decision)
        if claim.owner:
            self._flights.hold_lease(context.fingerprint, claim.owner)
        return self._upstream.call(context, claim, decision.verdict, self._hold)

    async def _admit(self) -> tuple[RequestContext, JoinFlight | SendUpstream | StoredAnswer]:
        """Return the decision, and the call under the id of its ledger entry."""
        context = with_new_id(self._context)
        decision = await self._admitter.admit(context, taking_over=True)
        while isinstance(decision, CacheHit):
            try:
                return context, self._codec.unpack(decision.head, decision.body, decision.stored_at)
            except UnreadableAnswer:
                context = with_new_id(context)
                decision = await self._admitter.admit_again(context, taking_over=True)
        return context, decision

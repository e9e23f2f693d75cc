"""Admission of one call: a Redis round trip that finds a stored answer, a flight to join, or room for a new call.

A call that nothing limits needs none where Redis gave the same answer within the last second (`NearGiver`).
"""

import contextlib

import msgspec

from tidegate.cache.near_answers import NEAR_SECONDS, NearAnswer, NearAnswers
from tidegate.coalescing.registry import FlightRegistry
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.values import Caller
from tidegate.limits.admission import AdmissionController
from tidegate.limits.decision import CacheHit, JoinFlight, RemainingLimits, SendUpstream
from tidegate.limits.scopes import without_request_count
from tidegate.limits.scripts import AdmissionRequest
from tidegate.metering.accountant import hit_entry
from tidegate.metering.ledger.entries import Ledger, encode
from tidegate.pipeline.context import DEADLINE_HEADER, AnswerKey, Claim, InferenceRequest, RequestContext
from tidegate.pipeline.delivery import ClientResponse, requested_form
from tidegate.pipeline.prepare import initial_entry
from tidegate.routing.fallback_header import HEADER as FALLBACK_HEADER
from tidegate.wire.answer_form import caller_echo
from tidegate.wire.call import Call

_NO_LIMITS = RemainingLimits()


class Admitter:
    """Admit the calls of one process."""

    def __init__(
        self, *, admission: AdmissionController, flights: FlightRegistry, ledger: Ledger, clock: Clock
    ) -> None:
        self._admission = admission
        self._flights = flights
        self._ledger = ledger
        self._clock = clock
        self.refusals = admission.refusals

    def refuse_early(self, caller: Caller) -> None:
        """Raise CallerRateLimited for a caller that was refused a moment ago, and would be refused again."""
        error = self.refusals.error(caller, self._clock.now())
        if error is not None:
            raise error

    async def admit(
        self, context: RequestContext, *, taking_over: bool = False
    ) -> CacheHit | JoinFlight | SendUpstream:
        """Check limits and budgets, look the answer up, and claim a flight. Raises TidegateError if rejected.

        A `JoinFlight` may be followed: its flight is here, or in another process. If the flight was here and has just
        ended, the call is admitted once more, alone. With `taking_over`, only a flight that calls the upstream itself
        counts as here, because the follower that takes over is a flight of this process, too.
        """
        if context.record is not None:
            context.record.initial_entry = context.initial_entry
        self._ledger.check_capacity()
        flights, fingerprint = self._flights, context.fingerprint
        decision = await self._admission.admit(self._request(context), flights=flights)
        if isinstance(decision, JoinFlight) and flights.is_own(decision.owner):
            is_here = flights.leads(fingerprint) if taking_over else flights.find(fingerprint) is not None
            if not is_here:
                return await self._admission.admit(self._request(context, alone=True))
        return decision

    async def admit_again(
        self, context: RequestContext, *, taking_over: bool = False
    ) -> CacheHit | JoinFlight | SendUpstream:
        """Admit a call whose stored answer cannot be read, once that is deleted. Raises as `admit` does."""
        with contextlib.suppress(RedisUnavailable):  # admission finds that out, too
            await self._admission.delete_answer(context.fingerprint)
        return await self.admit(context, taking_over=taking_over)

    def claim(self, context: RequestContext, decision: SendUpstream) -> Claim:
        """Return what the call received at admission and gives back at settlement."""
        owner = self._flights.owner_name(context.id) if decision.claimed else ""
        return Claim(owner=owner, dataset_id=decision.dataset_id)

    def _request(self, context: RequestContext, *, alone: bool = False) -> AdmissionRequest:
        """Return what Redis is asked. With `alone` the call joins no flight, and no other call joins it."""
        policy = context.cache_policy
        reservation = context.reservation
        return AdmissionRequest(
            fingerprint=context.fingerprint,
            owner=self._flights.owner_name(context.id),
            now=self._clock.now(),
            lookup=policy.lookup,
            claim=policy.may_join and not policy.only_stored and context.joinable and not alone,
            max_age=policy.max_age,
            only_stored=policy.only_stored,
            output_parameter=context.output_parameter,
            hit_entry=encode(msgspec.structs.replace(context.initial_entry, cache="hit")),
            reservation=without_request_count(reservation) if alone else reservation,
            slot=context.slot_request,
        )


class NearGiver:
    """Give answers that Redis gave within the last second, to callers whom nothing limits: without a round trip.

    The ledger entry of such a hit is appended within 50 ms. `kill -9` within that time loses it; it cost nothing.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._answers = NearAnswers()
        self._ledger = ledger
        self._clock = clock

    def keep(self, context: RequestContext, hit: CacheHit, answer: BufferedAnswer) -> None:
        """Keep an answer that Redis has given now."""
        now = self._clock.now()
        near = NearAnswer(
            head=answer.answer_head,
            events=answer.events,
            account=hit.account,
            provider=context.initial_entry.provider,
            stored_at=hit.stored_at,
            begins_at=now,
            ends_at=min(now + NEAR_SECONDS, hit.fresh_until),
            size=sum(map(len, answer.events)) + len(hit.account),
        )
        self._answers.add(context.fingerprint, near, now=now)

    def find(
        self,
        request: InferenceRequest,
        call: Call,
        caller: Caller,
        key: AnswerKey,
        tags: dict[str, str] | None,
    ) -> ClientResponse | None:
        """Return the near answer to a call, with its ledger entry on the way; None where there is none for it.

        Raises LedgerUnavailable.
        """
        policy, now = key.cache_policy, self._clock.now()
        if not key.fingerprint or not policy.lookup or not self._ledger.can_post:
            return None
        near = self._answers.find(key.fingerprint, max_age=policy.max_age, now=now)
        if near is None or _is_checked_by_prepare(request):
            return None
        self._ledger.check_capacity()
        initial = initial_entry(request.id, call, caller, provider=near.provider, now=now, tags=tags)
        entry = hit_entry(initial, near.account)
        self._ledger.post(entry)
        if request.record is not None:
            request.record.initial_entry, request.record.entry = initial, entry
        return ClientResponse(
            BufferedAnswer(near.head, near.events),
            requested_form(call, caller_echo(call) if call.endpoint.echoes else ""),
            cache="hit",
            age=max(0.0, now - near.stored_at),
            remaining_limits=_NO_LIMITS,
            record=request.record,
        )


def _is_checked_by_prepare(request: InferenceRequest) -> bool:
    """Return whether the call has a header that can be wrong, or was submitted before."""
    headers = request.headers
    return DEADLINE_HEADER in headers or FALLBACK_HEADER in headers or request.background_attempt is not None

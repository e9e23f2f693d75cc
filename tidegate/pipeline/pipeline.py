"""One request's story, from the bearer key to the ledger. `ARCHITECTURE.md` tells the same, step by step."""

import msgspec
import structlog

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.cache.buffered_answer import BufferedSource
from tidegate.cache.stored import AnswerCodec, StoredAnswer, in_form
from tidegate.coalescing.flight import Flight, FlightSource
from tidegate.coalescing.registry import FlightRegistry
from tidegate.conversations.recall import HistoryLoader, RecallRequest
from tidegate.conversations.recorder import ResponseRecorder, ResponsesRecorder
from tidegate.core.clock import Clock
from tidegate.core.endpoints import Format
from tidegate.core.errors import ModelNotAllowed, TidegateError
from tidegate.core.values import AnswerHead, Caller
from tidegate.limits.admission import AdmissionController
from tidegate.limits.decision import CacheHit, JoinFlight, SendUpstream
from tidegate.limits.scopes import without_request_count
from tidegate.limits.scripts import AdmissionRequest
from tidegate.metering.ledger.entries import encode
from tidegate.pipeline.background import BackgroundSubmitter
from tidegate.pipeline.context import Claim, InferenceRequest, RequestContext, with_new_id
from tidegate.pipeline.delivery import ClientResponse, RequestedForm, ResponseStream
from tidegate.pipeline.prepare import RequestPreparer
from tidegate.pipeline.remember import RecordedResponse
from tidegate.pipeline.settle import Settler
from tidegate.pipeline.upstream_services import UpstreamCalls
from tidegate.wire.answer_form import split_events
from tidegate.wire.call import Call, parse

STEPS = ("_identify", "_read", "_recall", "_fingerprint", "_admit", "_ask", "_remember")
"""The story's steps, in the order in which `answer` takes them."""

_log = structlog.get_logger("pipeline")


class Pipeline:
    """Answers requests. Everything it works with is given to it."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        *,
        keys: ApiKeyCache,
        admission: AdmissionController,
        flights: FlightRegistry,
        upstream: UpstreamCalls,
        preparer: RequestPreparer,
        history: HistoryLoader,
        settler: Settler,
        background: BackgroundSubmitter,
        codec: AnswerCodec,
        models: frozenset[str],
        clock: Clock,
    ) -> None:
        """`models` are those callers may name; empty allows all."""
        self._keys = keys
        self._admission = admission
        self._flights = flights
        self._upstream = upstream
        self._preparer = preparer
        self._history = history
        self._settler = settler
        self._background = background
        self._codec = codec
        self._models = models
        self._clock = clock

    async def answer(self, request: InferenceRequest) -> ResponseStream:
        """The story. Raises TidegateError for what is refused before anything was asked."""
        caller = await self._identify(request)
        call = await self._read(request, caller)
        asked = call
        call, memory = await self._recall(request, call, caller)
        try:
            ticket = self._fingerprint(request, call, caller)
            if (
                isinstance(memory, ResponsesRecorder)
                and memory.state_params.background
                and request.background_attempt is None
            ):
                return await self._background.submit(request, asked, ticket, memory)  # a worker goes on from here
            decision = await self._admit(ticket)
            flight = self._join(ticket, decision) if isinstance(decision, JoinFlight) else None
            if flight is None and isinstance(decision, JoinFlight):
                decision = await self._admit(ticket, alone=True)  # it has landed meanwhile
            if isinstance(decision, CacheHit):
                delivery = self._give(ticket, decision)
            elif flight is not None:
                delivery = self._response(ticket, flight, decision, cache="joined")
            else:
                flight = self._ask(ticket, decision)
                delivery = self._response(
                    ticket, flight, decision, cache="miss" if ticket.cache_policy.store else "off"
                )
            return self._remember(delivery, memory)
        except BaseException:  # refused or cancelled: there will be no answer that could leave its memory
            if memory is not None:
                await memory.release()
            raise

    async def _identify(self, request: InferenceRequest) -> Caller:
        """Who is it? From memory; a key not seen before costs one query."""
        if request.background_attempt is not None:
            return await self._keys.caller_of_key(request.background_attempt.key_id)
        return await self._keys.caller(request.authorization)

    async def _read(self, request: InferenceRequest, caller: Caller) -> Call:
        """Take the body in, within its limits, and decode it once."""
        call = parse(request.endpoint, await request.body())
        for models in (self._models, caller.models):
            if models and call.model not in models:
                raise ModelNotAllowed(
                    f"The model `{call.model}` does not exist or you do not have access to it.", param="model"
                )
        return call

    async def _recall(
        self, request: InferenceRequest, call: Call, caller: Caller
    ) -> tuple[Call, ResponseRecorder | None]:
        """What was said before? Only for stateful calls: it is put into the call, and a memory awaits the answer."""
        asker = RecallRequest(project=caller.project, request_id=request.id)
        if (attempt := request.background_attempt) is not None:
            asker = RecallRequest(
                project=caller.project,
                request_id=request.id,
                pending_response_id=attempt.response_id,
                created_at=attempt.created_at,
            )
        return await self._history.load(call, asker)

    def _fingerprint(self, request: InferenceRequest, call: Call, caller: Caller) -> RequestContext:
        """What makes another call the same call, within the caller's project; with it, the call's papers."""
        return self._preparer.prepare(request, call, caller)

    async def _admit(self, ticket: RequestContext, *, alone: bool = False) -> CacheHit | JoinFlight | SendUpstream:
        """One round trip: limits and budgets, the stored answer, somebody who is asking the same, or go.

        `alone` neither joins others nor lets them join.
        """
        self._settler.check_ledger()
        wanted = ticket.cache_policy
        claim = wanted.lookup and not wanted.only_stored and ticket.joinable and not alone
        terms = without_request_count(ticket.reservation) if alone else ticket.reservation
        hit = msgspec.structs.replace(ticket.initial_entry, cache="hit")
        ask = AdmissionRequest(
            fingerprint=ticket.fingerprint,
            owner=self._flights.owner_name(ticket.id),
            now=self._clock.now(),
            lookup=wanted.lookup,
            claim=claim,
            max_age=wanted.max_age,
            only_stored=wanted.only_stored,
            hit_entry=encode(hit),
            reservation=terms,
            slot=ticket.slot_request,
        )
        return await self._admission.admit(
            ask, local_owner=lambda: self._local_owner(ticket.fingerprint) if claim else None
        )

    def _local_owner(self, fingerprint: str) -> str | None:
        return self._flights.owner_name("") if self._flights.find(fingerprint) else None

    def _give(self, ticket: RequestContext, hit: CacheHit) -> ClientResponse:
        """The stored answer; its line in the ledger is written."""
        stored = self._codec.unpack(hit.head, hit.body, hit.stored_at)
        age = max(0.0, ticket.initial_entry.at - hit.stored_at)
        return ClientResponse(
            _buffered(stored), _requested_form(ticket), cache="hit", age=age, remaining_limits=hit.remaining_limits
        )

    def _join(self, ticket: RequestContext, decision: JoinFlight) -> Flight | None:
        """The flight that is on its way to the same answer; None where it is gone and another must be begun."""
        local = self._flights.find(ticket.fingerprint)
        if local is not None or self._flights.is_own(decision.owner):
            return local
        return self._flights.follow(ticket.fingerprint, decision.owner, reopen=lambda head: self._reopen(ticket, head))

    async def _reopen(self, ticket: RequestContext, head: AnswerHead | None) -> FlightSource | str:
        """Another source for an answer whose asker died: stored, being asked by another (its name), or asked by us.

        An answer that had begun goes on in the form it had, a stream or whole.
        """
        ticket = with_new_id(ticket)
        decision = await self._admit(ticket)
        if isinstance(decision, JoinFlight):
            if not self._flights.is_own(decision.owner) or self._flights.leads(ticket.fingerprint):
                return decision.owner
            decision = await self._admit(ticket, alone=True)  # our own has landed meanwhile
        if isinstance(decision, CacheHit):
            stored = self._codec.unpack(decision.head, decision.body, decision.stored_at)
            return _buffered(stored if head is None else in_form(stored, ticket.call.endpoint, stream=head.stream))
        if head is not None:
            ticket = msgspec.structs.replace(ticket, call=ticket.call.with_stream(stream=head.stream))
        claim = self._claim(ticket, decision)
        if claim.owner:
            self._flights.hold_lease(ticket.fingerprint, claim.owner)
        return self._upstream.call(ticket, claim, decision.verdict)

    def _ask(self, ticket: RequestContext, decision: JoinFlight | SendUpstream) -> Flight:
        """Ask the upstream, down the ladder, on a flight that others may join if it was claimed."""
        claim = self._claim(ticket, decision)
        source = self._upstream.call(ticket, claim, decision.verdict)
        return self._flights.lead(source, fingerprint=ticket.fingerprint, owner=claim.owner)

    def _claim(self, ticket: RequestContext, decision: JoinFlight | SendUpstream) -> Claim:
        owner = self._flights.owner_name(ticket.id) if decision.claimed else ""
        return Claim(owner=owner, dataset_id=decision.dataset_id)

    def _remember(self, delivery: ClientResponse, memory: ResponseRecorder | None) -> ResponseStream:
        """The answer under its caller's own ids, committed before its end is told."""
        return delivery if memory is None else RecordedResponse(delivery, memory)

    def _response(
        self, ticket: RequestContext, flight: Flight, decision: JoinFlight | SendUpstream, *, cache: str
    ) -> ClientResponse:
        if not isinstance(decision, JoinFlight):
            return ClientResponse(
                flight, _requested_form(ticket), cache=cache, remaining_limits=decision.remaining_limits
            )

        async def book(error: TidegateError | None, cost_nanos: int) -> None:
            await self._settler.settle_joined(ticket, decision.dataset_id, error, cost_nanos)

        return ClientResponse(
            flight, _requested_form(ticket), cache=cache, book=book, remaining_limits=decision.remaining_limits
        )


def _requested_form(ticket: RequestContext) -> RequestedForm:
    call = ticket.call
    usage_chunk = call.wants_usage or call.endpoint.format is not Format.CHAT
    return RequestedForm(endpoint=call.endpoint, stream=call.stream, usage_chunk=usage_chunk, echo=ticket.echo)


def _buffered(stored: StoredAnswer) -> BufferedSource:
    head = AnswerHead(stream=stored.stream, served_by=stored.served_by, echo=stored.echo, adaptations=stored.adapted)
    return BufferedSource(head, split_events(stored.body) if stored.stream else [stored.body])

"""The steps of one request, from the bearer key to the ledger. `ARCHITECTURE.md` shows them as a diagram.

`Pipeline.answer` takes the first steps itself and returns a `ResponseStream`. The other steps run when that is read.
"""

from collections.abc import Callable, Collection, Mapping

import msgspec

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.cache.fingerprint import digests_in_steps
from tidegate.cache.stored import AnswerCodec, UnreadableAnswer, unpacked_size
from tidegate.coalescing.registry import FlightRegistry
from tidegate.conversations.recall import HistoryLoader, RecallRequest
from tidegate.conversations.recorder import ResponseRecorder, ResponsesRecorder
from tidegate.core.config import BODY_COPIES
from tidegate.core.endpoints import Format
from tidegate.core.errors import ModelNotAllowed
from tidegate.core.process.call_memory import CallMemory
from tidegate.core.process.heavy_turns import HeavyTurns
from tidegate.core.tags import HEADER as TAGS_HEADER
from tidegate.core.tags import read_tags
from tidegate.core.values import Caller
from tidegate.limits.decision import CacheHit, JoinFlight, SendUpstream
from tidegate.metering.accountant import hit_entry
from tidegate.ownership.owned_object import OwnedPlace
from tidegate.pipeline.admit import Admitter, NearGiver
from tidegate.pipeline.background import BackgroundSubmitter
from tidegate.pipeline.context import AnswerKey, InferenceRequest, RequestContext, with_new_id
from tidegate.pipeline.delivery import ClientResponse, ResponseStream, requested_form
from tidegate.pipeline.named_objects import NamedObjects
from tidegate.pipeline.prepare import RequestPreparer
from tidegate.pipeline.remember import RecordedResponse
from tidegate.pipeline.semantic.step import SemanticStep
from tidegate.pipeline.settle import JoinedCall, Settler
from tidegate.pipeline.takeover import CallTakeover
from tidegate.pipeline.upstream_services import UpstreamCalls, UpstreamServices
from tidegate.providers.answer_memory import ANSWER_COPIES, SMALL_ANSWER_BYTES
from tidegate.queue.slot import QueueSlot
from tidegate.routing.attempt import Attempt
from tidegate.wire.call import Call, is_heavy, parse, parse_in_steps

STEPS = ("identify", "read", "recall", "prepare", "admit", "give", "join", "compare", "ask")
"""The steps before the answer begins, in the order in which `Pipeline.answer` takes them; of the last four, one.

`compare`, where the semantic tier is on, goes on with `ask` if no earlier answer may be given."""

STEPS_WHILE_READ: Mapping[str, Callable[..., object]] = {
    "queue": QueueSlot.wait,
    "send": Attempt.open,
    "settle": UpstreamServices.settle,
    "remember": RecordedResponse.commit,
}
"""The steps that run while the answer is read, in this order, and the function that takes each."""


_NOTHING = msgspec.Raw(b"")


class Pipeline:
    """Answer inference requests."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        *,
        keys: ApiKeyCache,
        history: HistoryLoader,
        preparer: RequestPreparer,
        background: BackgroundSubmitter,
        admitter: Admitter,
        near: NearGiver,
        flights: FlightRegistry,
        upstream: UpstreamCalls,
        settler: Settler,
        codec: AnswerCodec,
        memory: CallMemory,
        heavy_turns: HeavyTurns,
        objects: NamedObjects,
        models: frozenset[str],
        tag_metadata: Collection[str],
    ) -> None:
        """`memory` is that of answers; `models` are the models that callers may name, empty allows all.

        `tag_metadata` are the names of `metadata` that are tags.
        """
        self._tag_metadata = tag_metadata
        self._memory = memory
        self._objects = objects
        self.heavy_turns = heavy_turns
        """In which work on large bodies is done."""
        self._keys = keys
        self._history = history
        self._preparer = preparer
        self._background = background
        self._admitter = admitter
        self._near = near
        self._flights = flights
        self._upstream = upstream
        self._settler = settler
        self._codec = codec
        self._models = models
        self.semantic: SemanticStep | None = None
        """Set where the semantic tier is used."""

    async def answer(self, request: InferenceRequest) -> ResponseStream:  # noqa: C901  # a branch for each kind of answer
        """Take the steps before the answer begins. Raises TidegateError if the request is rejected.

        Nothing has been sent upstream then.
        """
        caller = await self._identify(request)
        call, place = await self._read(request, caller)
        tags = read_tags(request.headers.get(TAGS_HEADER), call.body.get("metadata"), self._tag_metadata)
        stateless_call, recorder = await self._recall(request, call, caller)
        try:
            submission = _submission(request, recorder)
            key = None if submission else self._answer_key(request, stateless_call, caller, tags)
            near = None if key is None else self._near.find(request, stateless_call, caller, key, tags)
            if near is not None:
                return near if recorder is None else RecordedResponse(near, recorder)
            context = await self._prepare(request, stateless_call, caller, recorder, key, tags, place)
            if submission is not None:
                return await self._background.submit(request, call, context, submission)  # a worker goes on from here
            match await self._admitter.admit(context):
                case CacheHit() as hit:
                    response = await self._give(context, hit) or await self._give_another(context)
                case JoinFlight() as joined:
                    response = self._join(context, joined)
                case SendUpstream() as admitted:
                    similar = self.semantic
                    response = (
                        await self._compare(context, admitted, similar) if similar else self._ask(context, admitted)
                    )
            if isinstance(tools := call.body.get("tools"), list) and call.endpoint.format is Format.RESPONSES:
                self._objects.note_containers(response, caller.project, tools)
            return response if recorder is None else RecordedResponse(response, recorder)
        except BaseException:  # rejected or cancelled: no response will ever release the recorder
            if recorder is not None:
                await recorder.release()
            raise

    async def _identify(self, request: InferenceRequest) -> Caller:
        """Return the caller: from memory, or by one query for a key that this process has not seen.

        One that was refused a moment ago is refused here, before the body is read.
        """
        record = request.record
        if record is not None and record.traces is not None:
            record.trace = record.traces.begin(request.headers)
        if request.background_attempt is not None:
            return await self._keys.caller_of_key(request.background_attempt.key_id)
        caller = await self._keys.caller(request.authorization)
        if self._admitter.refusals:
            self._admitter.refuse_early(caller)
        return caller

    async def _read(self, request: InferenceRequest, caller: Caller) -> tuple[Call, OwnedPlace | None]:
        """Read the body, within its limits, and decode it once; also return which account has the objects it names."""
        record = request.record
        if record is not None:
            record.caller, record.headers = caller, request.headers
        self.heavy_turns.note_call(caller.key_id)
        body = await request.body(caller)
        if not is_heavy(body):
            call = parse(request.endpoint, body, model=request.model)
            may_name = self._objects.may_name(body) is not None
        else:
            steps = parse_in_steps(request.endpoint, body, model=request.model)
            call = await self.heavy_turns.run(caller.key_id, steps)
            may_name = await self._objects.may_be_named_in_heavy(body, caller)
        if record is not None:
            record.call = call
        for models in (self._models, caller.models):
            if models and call.model not in models:
                raise _not_allowed(call)
        if may_name or request.model:
            return call, await self._objects.check(body, caller, model=request.model)
        return call, None

    async def _recall(
        self, request: InferenceRequest, call: Call, caller: Caller
    ) -> tuple[Call, ResponseRecorder | None]:
        """Make a stateful call stateless; also return the recorder for its answer, None for other calls.

        Raises MemoryShareExceeded, too: the history counts in the memory of bodies.
        """
        recall_request = RecallRequest(project=caller.project, request_id=request.id)
        if (attempt := request.background_attempt) is not None:
            recall_request = RecallRequest(
                project=caller.project,
                request_id=request.id,
                pending_response_id=attempt.response_id,
                created_at=attempt.created_at,
            )
        stateless_call, recorder = await self._history.load(call, recall_request)
        if request.hold is not None and recorder is not None:
            try:
                await request.hold.grow(BODY_COPIES * _added_bytes(call, stateless_call))
            except BaseException:  # no memory, or cancelled: no response will ever release the recorder
                await recorder.release()
                raise
        return stateless_call, recorder

    def _answer_key(
        self, request: InferenceRequest, call: Call, caller: Caller, tags: dict[str, str] | None
    ) -> AnswerKey | None:
        """Return by which name an answer may be near; None for a large call, and where each call is to be counted."""
        if call.is_heavy or self.semantic is not None:
            return None
        return self._preparer.answer_key(request, call, caller, tags)

    async def _prepare(  # noqa: PLR0913, PLR0917  # what the steps before have found
        self,
        request: InferenceRequest,
        call: Call,
        caller: Caller,
        recorder: ResponseRecorder | None,
        key: AnswerKey | None,
        tags: dict[str, str] | None,
        place: OwnedPlace | None,
    ) -> RequestContext:
        """Prepare a call; one with a large body between the calls of others."""
        conversation = recorder.state_params.conversation if isinstance(recorder, ResponsesRecorder) else None
        prepare = self._preparer.prepare
        if not call.is_heavy:
            return prepare(request, call, caller, key=key, conversation=conversation, tags=tags, place=place)
        digests = await self.heavy_turns.run(caller.key_id, digests_in_steps(call))
        call = msgspec.structs.replace(call, digests=digests)
        async with self.heavy_turns.turn(caller.key_id, goes_on=True):
            return prepare(request, call, caller, conversation=conversation, tags=tags, place=place)

    async def _give(self, context: RequestContext, hit: CacheHit) -> ClientResponse | None:
        """Give the stored answer, None where it is damaged. Admission has already written its ledger entry.

        A large one is unpacked once there is memory for it. Raises AnswerMemoryExceeded.
        """
        hold = None
        if (size := unpacked_size(hit.body)) > SMALL_ANSWER_BYTES:
            hold = self._memory.hold(context.caller.key_id)
            await hold.grow(ANSWER_COPIES * size)
        try:
            stored = self._codec.unpack(hit.head, hit.body, hit.stored_at)
        except UnreadableAnswer:
            if hold is not None:
                hold.release()
            return None
        if self.semantic is not None:
            self.semantic.count(context)
        answer = stored.buffered()
        if hold is not None:
            answer.on_unused = hold.release
        else:
            self._near.keep(context, hit, answer)
        age = max(0.0, context.initial_entry.at - hit.stored_at)
        if context.record is not None:
            context.record.entry = hit_entry(context.initial_entry, hit.account)
        return ClientResponse(
            answer,
            requested_form(context.call, context.echo),
            cache="hit",
            age=age,
            remaining_limits=hit.remaining_limits,
            record=context.record,
        )

    async def _give_another(self, context: RequestContext) -> ClientResponse:
        """Answer a call whose stored answer is damaged. Under its first id the ledger has a hit, which cost nothing."""
        again = with_new_id(context)
        match await self._admitter.admit_again(again):
            case CacheHit() as hit:
                return await self._give(again, hit) or await self._give_another(again)
            case JoinFlight() as joined:
                return self._join(again, joined)
            case SendUpstream() as admitted:
                return self._ask(again, admitted)

    def _join(self, context: RequestContext, decision: JoinFlight) -> ClientResponse:
        """Read the flight of another request, in this process or, by messages, in another one."""
        if self.semantic is not None:
            self.semantic.count(context)
        flight = self._flights.find(context.fingerprint)
        if flight is None:
            hold = self._memory.hold(context.caller.key_id)
            takeover = CallTakeover(context, self._admitter, self._upstream, self._flights, self._codec, hold)
            flight = self._flights.follow(
                context.fingerprint, decision.owner, takeover=takeover, on_unused=hold.release
            )
        if context.record is not None:
            context.record.await_entry()
        return ClientResponse(
            flight,
            requested_form(context.call, context.echo),
            cache="joined",
            record=context.record,
            join_entry=JoinedCall(self._settler, context, decision),
            remaining_limits=decision.remaining_limits,
        )

    async def _compare(self, context: RequestContext, decision: SendUpstream, semantic: SemanticStep) -> ClientResponse:
        """Give the answer of an earlier question in other words, or ask."""
        try:
            found = await semantic.consider(context)
        except BaseException:  # the client left: what admission granted goes to another call
            await self._ask(context, decision).close()
            raise
        if found.answer is None:
            if found.observer is not None:
                context = msgspec.structs.replace(context, observer=found.observer)
            response = self._ask(context, decision)
            response.semantic = found.headers
            return response
        claim = self._admitter.claim(context, decision)
        self._upstream.decline(context, claim, decision.verdict)
        entry = await self._settler.settle_semantic(context, claim, found.answer.account)
        if context.record is not None:
            context.record.entry = entry
        response = ClientResponse(
            found.answer.answer.buffered(),
            requested_form(context.call, context.echo),
            cache="semantic",
            age=found.answer.age,
            remaining_limits=decision.remaining_limits,
            record=context.record,
        )
        response.semantic = found.headers
        return response

    def ask(self, context: RequestContext, decision: SendUpstream) -> ClientResponse:
        """Make a call of the gateway's own, which was prepared and admitted as others are."""
        return self._ask(context, decision)

    def _ask(self, context: RequestContext, decision: SendUpstream) -> ClientResponse:
        """Start a flight that calls the upstream. Other requests may join it if this one claimed it."""
        claim = self._admitter.claim(context, decision)
        hold = self._memory.hold(context.caller.key_id)
        source = self._upstream.call(context, claim, decision.verdict, hold)
        flight = self._flights.lead(source, fingerprint=context.fingerprint, owner=claim.owner, on_unused=hold.release)
        cache = "miss" if context.cache_policy.store else "off"
        if context.record is not None:
            context.record.await_entry()
        return ClientResponse(
            flight,
            requested_form(context.call, context.echo),
            cache=cache,
            remaining_limits=decision.remaining_limits,
            record=context.record,
        )


def _not_allowed(call: Call) -> ModelNotAllowed:
    message = f"The model `{call.model}` does not exist or you do not have access to it."
    if call.names_prompt:
        message = (
            f"The request was not sent: you may use some models only, and the stored prompt `{call.model}` has a model "
            "of its own. Send one of your models in `model`."
        )
    return ModelNotAllowed(message, param="model")


def _added_bytes(call: Call, stateless_call: Call) -> int:
    """Return by how much the recalled history is longer than what the call said itself."""
    name = "messages" if call.endpoint.format is Format.CHAT else "input"
    before, after = (memoryview(one.raw.get(name, _NOTHING)).nbytes for one in (call, stateless_call))
    return max(0, after - before)


def _submission(request: InferenceRequest, recorder: ResponseRecorder | None) -> ResponsesRecorder | None:
    """Return the recorder of a request for a background response that does not exist yet, None for others."""
    if not isinstance(recorder, ResponsesRecorder) or not recorder.state_params.background:
        return None
    return recorder if request.background_attempt is None else None

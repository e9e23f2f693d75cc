"""The steps of one call to an operation that passes through, in their order: `Passthrough.answer`.

identify → read → check → admit → send → record → settle. Bytes go in and bytes come out. The body is read only as far
as the rules of keys, budgets and owners need it.
"""

import asyncio
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from urllib.parse import quote

import msgspec

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.core.clock import Clock
from tidegate.core.config import PassthroughConfig
from tidegate.core.errors import (
    ClientDisconnected,
    ModelNotAllowed,
    OperationNotAllowed,
    PriceUnknown,
    TidegateError,
    UnmeteredRefused,
)
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.process.call_memory import CallMemory
from tidegate.core.tags import HEADER as TAGS_HEADER
from tidegate.core.tags import read_tags
from tidegate.core.values import Caller
from tidegate.limits.admission import AdmissionController
from tidegate.limits.decision import SendUpstream
from tidegate.limits.scopes import CallerScopes
from tidegate.limits.scripts import limits_only
from tidegate.metering.ledger.entries import Ledger, encode
from tidegate.metering.max_cost import price_unknown
from tidegate.metering.operation_prices import NO_COST, OperationCall, OperationCost, OperationPrices
from tidegate.ownership.owned_object import OwnedPlace
from tidegate.pipeline.passthrough.account import OperationAccount, OperationContext
from tidegate.pipeline.passthrough.body import UploadBounds, read_body
from tidegate.pipeline.passthrough.owners import OperationOwners
from tidegate.pipeline.passthrough.request import BodyFacts, PassthroughRequest, ReadBody
from tidegate.pipeline.passthrough.response import PassthroughResponse
from tidegate.pipeline.passthrough.sending import OperationSender, Sending, SentOperation
from tidegate.providers.answer_memory import AnswerMemory
from tidegate.providers.base import OperationRequest
from tidegate.providers.registry import HeaderForwarding
from tidegate.providers.request_body import size_of
from tidegate.queue.messages import QueueEntry
from tidegate.wire.operations.operation import (
    AnswerContent,
    BodyKind,
    ChargeBasis,
    MatchedOperation,
    Operation,
    OperationClock,
)
from tidegate.wire.operations.stated import NOTHING_STATED, StatedAnswer, stated_in

_EVENTS = "text/event-stream"
_FORWARDED_REQUEST_HEADERS = ("accept", "range", "if-range")


class Passthrough:
    """Answers calls to operations."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        *,
        keys: ApiKeyCache,
        admission: AdmissionController,
        ledger: Ledger,
        prices: OperationPrices,
        owners: OperationOwners,
        sender: OperationSender,
        account: OperationAccount,
        forwarding: HeaderForwarding,
        answer_memory: CallMemory,
        config: PassthroughConfig,
        bounds: UploadBounds,
        models: frozenset[str],
        tag_metadata: tuple[str, ...],
        process: str,
        queue_seconds: float,
        clock: Clock,
    ) -> None:
        """`models` are those that callers may name, empty for all; `process` is the name of this process."""
        self._keys = keys
        self._admission = admission
        self._ledger = ledger
        self._prices = prices
        self._owners = owners
        self._sender = sender
        self._account = account
        self._forwarding = forwarding
        self._answer_memory = answer_memory
        self._config = config
        self._bounds = bounds
        self._models = models
        self._tag_metadata = tag_metadata
        self._process = process
        self._queue_seconds = queue_seconds
        self._clock = clock

    async def answer(self, request: PassthroughRequest) -> PassthroughResponse:
        """Take the steps until the answer begins; it must be read and closed. Raises TidegateError."""
        started_at = self._clock.monotonic()
        caller = await self._identify(request)
        scopes = self._admission.scopes.of(caller, None)
        operation = request.match.operation
        body = await read_body(
            request,
            caller,
            self._bounds,
            needs_fields=operation.charge is not ChargeBasis.FREE and scopes.smallest_budget is not None,
            check_late=partial(self._check_late, caller, request),
        )
        place = await self._check(caller, request, body.facts())
        context, remaining = await self._admit(request, caller, body, started_at)
        sent = SentOperation(self._sender.provider_name, self._clock)
        try:
            if (page := await self._own_page(request, caller)) is not None:
                return await self._give_page(request, context, body, sent, remaining, page)
            await self._sender.send(self._sending(request, caller, body, place), sent)
            return await self._begin(request, context, body, sent, remaining)
        except BaseException as error:  # also where the client has left: the reservation must end
            sent.close()
            failure = error if isinstance(error, TidegateError) else _failure_of(error)
            await self._settle(request, context, body, sent, failure, NOTHING_STATED)
            raise

    # identify and check

    async def _identify(self, request: PassthroughRequest) -> Caller:
        record = request.record
        if record is not None and record.traces is not None:
            record.trace = record.traces.begin(request.headers)
        caller = await self._keys.caller(request.headers.get("authorization", ""))
        request.hold.key_id = caller.key_id
        if record is not None:
            record.caller, record.headers = caller, request.headers
        if self._admission.refusals and (error := self._admission.refusals.error(caller, self._clock.now())):
            raise error
        label = request.match.operation.label
        if not any(fnmatchcase(label, pattern) for pattern in self._config.operations):
            raise OperationNotAllowed
        return caller

    async def _check(self, caller: Caller, request: PassthroughRequest, facts: BodyFacts) -> OwnedPlace | None:
        """Check the models and objects that a call names; return where the objects are."""
        for allowed in (self._models, caller.models):
            if not allowed:
                continue
            for model in facts.models:
                if model not in allowed:
                    raise ModelNotAllowed(
                        f"The model `{model[:100]}` does not exist or you do not have access to it.", param="model"
                    )
            if not facts.models and facts.is_whole and _may_use_model(request.match.operation):
                raise ModelNotAllowed(
                    "The request was not sent: you may use some models only, and it names none. Send one in `model`.",
                    param="model",
                )
        return await self._owners.check(caller, request.match, request.path.partition("?")[2], facts)

    async def _check_late(self, caller: Caller, request: PassthroughRequest, facts: BodyFacts) -> None:
        """Check what came behind the file of a form."""
        await self._check(caller, request, facts)

    # prepare and admit

    async def _admit(
        self, request: PassthroughRequest, caller: Caller, body: ReadBody, started_at: float
    ) -> tuple[OperationContext, SendUpstream]:
        """Reserve the most that the call may cost, in each limit and budget. Raises CallerError and StoreError."""
        now, operation, facts = self._clock.now(), request.match.operation, body.facts()
        tags = read_tags(request.headers.get(TAGS_HEADER), facts.values.get("metadata"), self._tag_metadata)
        scopes = self._admission.scopes.of(caller, facts.end_user, tags)
        highest = self._highest_cost(_priced_call(operation, facts, body, now), scopes)
        entry = LedgerEntry(
            id=request.id,
            at=now,
            project=caller.project,
            key_id=caller.key_id,
            end_user=facts.end_user,
            route=operation.label,
            model=facts.model,
            provider=self._sender.provider_name,
            outcome="ok",
            cache="off",
            stream=facts.stream,
            tags=tags,
        )
        if request.record is not None:
            request.record.initial_entry = entry
        self._ledger.check_capacity()
        reservation = self._admission.reservation(
            request.id, scopes, now=now, tokens=highest.usage.input + highest.usage.output, cost_nanos=highest.nanos
        )
        decision = await self._admission.admit(limits_only(reservation, encode(entry), now=now))
        assert isinstance(decision, SendUpstream)  # noqa: S101  # it has no stored answer and joins no flight
        if request.record is not None:
            request.record.await_entry()
        context = OperationContext(
            caller=caller,
            initial_entry=entry,
            reservation=reservation,
            dataset_id=decision.dataset_id,
            started_at=started_at,
            record=request.record,
        )
        return context, decision

    def _highest_cost(self, call: OperationCall, scopes: CallerScopes) -> OperationCost:
        if not scopes.limit_spending:
            return NO_COST
        if call.operation.charge is ChargeBasis.UNMETERED and scopes.smallest_budget is not None:
            raise UnmeteredRefused
        highest = self._prices.highest(call)
        if highest.is_unpriced and scopes.smallest_budget is not None:
            raise _price_unknown(call, self._sender.provider_name)
        return highest

    # send

    def _sending(
        self, request: PassthroughRequest, caller: Caller, body: ReadBody, place: OwnedPlace | None
    ) -> Sending:
        operation, facts = request.match.operation, body.facts()
        is_transfer = operation.clock is OperationClock.TRANSFER
        return Sending(
            request=OperationRequest(
                method="GET" if request.method == "HEAD" else request.method,
                path=request.path,
                headers=self._headers(request, body),
                body=body.body,
                total_seconds=self._config.transfer_seconds if is_transfer else None,
            ),
            model=facts.model if _uses_model(operation) else "",
            place=place,
            can_be_sent_again=body.can_be_sent_again,
            entry=QueueEntry(
                member=f"{self._process}:{request.id}",
                tokens=0,
                flow=caller.project,
                weight=caller.priority.weight,
                deadline=self._clock.now() + self._queue_seconds,
            ),
        )

    def _headers(self, request: PassthroughRequest, body: ReadBody) -> Mapping[str, str]:
        headers = {name: request.headers[name] for name in _FORWARDED_REQUEST_HEADERS if name in request.headers}
        headers = {"accept": "*/*", **headers, **self._forwarding.select(request.headers)}
        if body.content_type is not None:
            headers["content-type"] = body.content_type
        trace = None if request.record is None else request.record.trace
        return headers if trace is None else headers | trace.upstream_headers

    # the answer

    async def _begin(
        self,
        request: PassthroughRequest,
        context: OperationContext,
        body: ReadBody,
        sent: SentOperation,
        admitted: SendUpstream,
    ) -> PassthroughResponse:
        """Return the answer: read whole, recorded and settled where it is JSON, else to be read as it comes."""
        exchange, operation = sent.exchange, request.match.operation
        assert exchange is not None  # noqa: S101  # its answer has begun
        is_whole = operation.answer in (AnswerContent.JSON, AnswerContent.JSON_OR_EVENTS) and request.method != "HEAD"
        settle = partial(self._settle, request, context, body, sent)
        content, cost_nanos = None, None
        hold = self._answer_memory.hold(context.caller.key_id)
        sent.hold = hold
        if is_whole and not exchange.headers.get("content-type", "").startswith(_EVENTS):
            content = await exchange.read_all(AnswerMemory(hold))
            if operation.makes is not None or operation.of:
                place, end_user = OwnedPlace(sent.provider, sent.credential), body.facts().end_user
                await self._owners.record(context.caller, request.match, content, place, end_user)
            cost_nanos = await settle(None, stated_in(content))
        return PassthroughResponse(
            sent,
            settle,
            body=content,
            drops_usage=body.adds_usage,
            max_bytes=self._config.max_download_bytes,
            remaining_limits=admitted.remaining_limits,
            cost_nanos=cost_nanos,
        )

    async def _own_page(self, request: PassthroughRequest, caller: Caller) -> bytes | None:
        if request.match.operation.lists is None:
            return None
        return await self._owners.list_page(caller, request.match, request.path.partition("?")[2])

    async def _give_page(  # what a response consists of
        self,
        request: PassthroughRequest,
        context: OperationContext,
        body: ReadBody,
        sent: SentOperation,
        admitted: SendUpstream,
        page: bytes,
    ) -> PassthroughResponse:
        """Return a list that was answered from what is on record."""
        settle = partial(self._settle, request, context, body, sent)
        await settle(None, NOTHING_STATED)
        limits, most = admitted.remaining_limits, self._config.max_download_bytes
        return PassthroughResponse(sent, settle, body=page, max_bytes=most, remaining_limits=limits, cost_nanos=0)

    async def _settle(  # all that is known at the end
        self,
        request: PassthroughRequest,
        context: OperationContext,
        body: ReadBody,
        sent: SentOperation,
        error: TidegateError | None,
        stated: StatedAnswer,
    ) -> int:
        operation, facts, entry = request.match.operation, body.facts(), context.initial_entry
        model = stated.model_name
        outcome = sent.outcome(error, stated.usage_object, model)
        if facts.model != entry.model:  # a form's model may have come behind its file
            entry = msgspec.structs.replace(entry, model=facts.model)
            context = msgspec.structs.replace(context, initial_entry=entry)
        if error is None:
            cost = self._prices.actual(_priced_call(operation, facts, body, entry.at, model), stated)
        elif outcome.may_be_charged:
            highest = self._prices.highest(_priced_call(operation, facts, body, entry.at))
            cost = msgspec.structs.replace(highest, is_estimated=operation.charge is not ChargeBasis.FREE)
        else:
            cost = NO_COST
        return await self._account.settle(context, outcome, cost)


def _priced_call(
    operation: Operation, facts: BodyFacts, body: ReadBody, at: float, model: str | None = None
) -> OperationCall:
    return OperationCall(
        operation=operation,
        values=facts.values,
        model=model or facts.model,
        size=None if body.body is None else size_of(body.body),
        at=at,
    )


def _price_unknown(call: OperationCall, provider: str) -> PriceUnknown:
    if call.model:
        return price_unknown([f"{provider}/{call.model}"])
    return PriceUnknown(
        f"What `{call.operation.label}` will cost is not known before it is over, and a budget applies, so the request "
        "was not sent. Use a key without a budget."
    )


def _failure_of(error: BaseException) -> TidegateError:
    return ClientDisconnected() if isinstance(error, asyncio.CancelledError) else TidegateError()


def _uses_model(operation: Operation) -> bool:
    """Return whether a model answers, so that its capacity is taken and its price applies."""
    return operation.charge in _CHARGED_BY_MODEL


def _may_use_model(operation: Operation) -> bool:
    if operation.charge is ChargeBasis.UNMETERED:
        return True
    return _uses_model(operation) or operation.body is BodyKind.BYTES


_CHARGED_BY_MODEL = (
    ChargeBasis.TOKENS,
    ChargeBasis.IMAGES,
    ChargeBasis.SPEECH,
    ChargeBasis.TRANSCRIPTION,
    ChargeBasis.VIDEO,
)


def upstream_path(match: MatchedOperation, query: bytes) -> str:
    """Return an operation's path with its parameters' values, escaped, and a query."""
    path = match.operation.path
    for name, value in match.parameters.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return f"{path}?{query.decode('latin-1')}" if query else path

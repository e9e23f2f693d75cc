"""Computes what a call needs of the cache, the limits, the budgets and the upstream's queue. No I/O."""

from collections.abc import Mapping
from random import Random

from tidegate.cache import policy
from tidegate.cache.fingerprint import fingerprint, shareable
from tidegate.cache.policy import CachePolicy
from tidegate.coalescing.registry import FlightRegistry
from tidegate.core.clock import Clock
from tidegate.core.config import CacheConfig, QueueConfig
from tidegate.core.errors import ObjectsApart
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Caller
from tidegate.limits.admission import AdmissionController
from tidegate.limits.scopes import CallerScopes, Reservation, without_request_count
from tidegate.limits.scripts import SlotRequest
from tidegate.metering.max_cost import price_unknown
from tidegate.ownership.owned_object import OwnedPlace
from tidegate.pipeline.call_cost import CallCosts
from tidegate.pipeline.context import DEADLINE_HEADER, AnswerKey, InferenceRequest, RequestContext, max_queue_seconds
from tidegate.providers.registry import HeaderForwarding
from tidegate.providers.target import Target
from tidegate.queue.slot import QueueSlots
from tidegate.routing.affinity import conversation_key, draw_of
from tidegate.routing.fallback_chain import FallbackChain
from tidegate.routing.fallback_header import HEADER, allowed_steps
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.plan import AllowedSteps, Plan
from tidegate.routing.routes import Draw, Routes
from tidegate.wire.answer_form import caller_echo
from tidegate.wire.call import Call

_FRESH_ONLY = AllowedSteps(stale=False)


class RequestPreparer:
    """Prepare the context of calls. Decides without waiting: it reads memory only, never a store."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        admission: AdmissionController,
        flights: FlightRegistry,
        routes: Routes,
        forwarding: HeaderForwarding,
        fallback_chain: FallbackChain,
        random: Random,
        costs: CallCosts,
        queue_slots: QueueSlots,
        cache: CacheConfig,
        queue: QueueConfig,
        clock: Clock,
    ) -> None:
        self._admission = admission
        self._flights = flights
        self._routes = routes
        self._forwarding = forwarding
        self._fallback_chain = fallback_chain
        self._random = random
        self._costs = costs
        self._queue_slots = queue_slots
        self._cache = cache
        self._queue = queue
        self._clock = clock

    def answer_key(
        self, request: InferenceRequest, call: Call, caller: Caller, tags: dict[str, str] | None
    ) -> AnswerKey:
        """Return under which name an answer to the call is stored, and who limits the call."""
        cache_policy, headers = self._cache_policy(request, call), self._forwarding.select(request.headers)
        scopes = self._admission.scopes.of(caller, call.end_user, tags)
        # a budget may change the call first: it caps the output
        return AnswerKey(
            cache_policy=cache_policy,
            headers=headers,
            scopes=scopes,
            fingerprint=None if scopes.limiting else _fingerprint(call, caller, cache_policy, headers),
        )

    def prepare(  # noqa: PLR0913  # what the steps before have found
        self,
        request: InferenceRequest,
        call: Call,
        caller: Caller,
        *,
        key: AnswerKey | None = None,
        conversation: str | None = None,
        tags: dict[str, str] | None = None,
        place: OwnedPlace | None = None,
    ) -> RequestContext:
        """Return the context of a call, which may be a turn of a `conversation` and name objects at a `place`.

        `key` is the call's `answer_key`, if it is known.
        Raises InvalidParameter for a malformed Tidegate header, ObjectsApart, and PriceUnknown where a budget applies.
        """
        if key is None:
            key = self.answer_key(request, call, caller, tags)
        cache_policy, headers, scopes, fingerprint = key.cache_policy, key.headers, key.scopes, key.fingerprint
        given, record = request.headers, request.record
        trace = None if record is None else record.trace
        now = self._clock.now()
        deadline = self._deadline(given, now)
        steps = allowed_steps(given[HEADER]) if HEADER in given else None
        plan = self._plan(call, caller, cache_policy, steps, conversation, place)
        first = plan.targets[0]
        budget = scopes.smallest_budget
        if budget is not None:
            call = self._costs.within_budget(call, plan, budget_nanos=budget, at=now)
        first_step = self._fallback_chain.first_step(plan, deadline=deadline)
        reservation = self._reservation(request, call, scopes, plan, now)
        return RequestContext(
            id=request.id,
            call=call,
            caller=caller,
            upstream_headers=headers if trace is None else headers | trace.upstream_headers,
            cache_policy=cache_policy,
            fingerprint=_fingerprint(call, caller, cache_policy, headers) if fingerprint is None else fingerprint,
            echo=caller_echo(call) if call.endpoint.echoes else "",
            initial_entry=initial_entry(request.id, call, caller, provider=first.provider, now=now, tags=tags),
            reservation=reservation,
            output_parameter="" if budget is None else self._output_parameter(call, first),
            plan=plan,
            first_step=first_step,
            joinable=steps is None,
            slot_request=self._slot_request(caller, reservation, plan, first_step, deadline=deadline, now=now),
            queue_deadline=deadline,
            started_at=self._clock.monotonic(),
            record=record,
        )

    def _deadline(self, headers: Mapping[str, str], now: float) -> float:
        longest = self._queue.deadline_seconds
        return now + (max_queue_seconds(headers, longest) if DEADLINE_HEADER in headers else longest)

    def _cache_policy(self, request: InferenceRequest, call: Call) -> CachePolicy:
        headers = request.headers
        cache_policy = policy.DEFAULT_POLICY
        if not (self._cache.enabled and shareable(call)) or policy.is_kept_out(call, self._cache):
            cache_policy = policy.NO_STORE_POLICY
        elif "cache-control" in headers:
            cache_policy = policy.parse_cache_control(headers["cache-control"])
        if request.background_attempt is not None or "idempotency-key" not in headers:
            return cache_policy
        return policy.with_idempotency_key(cache_policy, headers["idempotency-key"])

    def _plan(
        self,
        call: Call,
        caller: Caller,
        cache_policy: CachePolicy,
        steps: AllowedSteps | None,
        conversation: str | None,
        place: OwnedPlace | None,
    ) -> Plan:
        plan = self._routes.plan(call.model, draw_for=lambda: self._draw(call, caller, conversation))
        if place is not None:
            plan = _at_place(plan, place)
        if steps is not None:
            plan = plan.restricted_to(steps)
        return plan if cache_policy.lookup and cache_policy.store else plan.restricted_to(_FRESH_ONLY)

    def _draw(self, call: Call, caller: Caller, conversation: str | None) -> Draw:
        """Return the draw of the call's conversation, or one at random for a call that belongs to none."""
        key = conversation_key(call, project=caller.project, conversation=conversation)
        return draw_of(key) if key is not None else lambda _: self._random.random()

    def _output_parameter(self, call: Call, target: Target) -> str:
        return self._fallback_chain.providers[target.provider].output_parameter(call.endpoint, target.model)

    def _reservation(
        self, request: InferenceRequest, call: Call, scopes: CallerScopes, plan: Plan, now: float
    ) -> Reservation:
        maximum = self._costs.max_cost(call, plan, at=now, exact=scopes.limit_spending)
        if maximum.unpriced and scopes.smallest_budget is not None:
            raise price_unknown(maximum.unpriced)
        reservation = self._admission.reservation(
            request.id, scopes, now=now, tokens=maximum.tokens, cost_nanos=maximum.nanos
        )
        if request.background_attempt is None:
            return reservation
        return without_request_count(reservation)  # the request was counted when it was submitted

    def _slot_request(
        self,
        caller: Caller,
        reservation: Reservation,
        plan: Plan,
        first_step: SendTo | None,
        *,
        deadline: float,
        now: float,
    ) -> SlotRequest:
        """Return what the call requests of the queue at its first target."""
        name = "" if first_step is None else first_step.lane
        limits = self._queue_slots.lane_limits(name)
        has_short_wait = first_step is not None and first_step.max_wait_seconds is not None
        return SlotRequest(
            lane=name,
            member=self._flights.owner_name(reservation.id),
            tokens=reservation.tokens,
            flow=caller.project,
            weight=caller.priority.weight,
            deadline=min(deadline, now + first_step.max_wait_seconds)
            if first_step is not None and first_step.max_wait_seconds
            else deadline,
            rpm=limits.rpm,
            tpm=limits.tpm,
            max_waiting=limits.max_waiting,
            has_alternative=has_short_wait or (plan.canned is not None and plan.allowed_steps.canned),
        )


def _at_place(plan: Plan, place: OwnedPlace) -> Plan:
    """Return the plan with the account that has the objects of the call only. Raises ObjectsApart."""
    restricted = plan.restricted_to_account(place.provider, place.credential)
    if restricted is None:
        raise ObjectsApart(
            f"The request was not sent: its files or other objects are at {place.provider}/{place.credential}, and the "
            f"model `{plan.model[:100]}` is not called there. Make them again, or use another model."
        )
    return restricted


def _fingerprint(call: Call, caller: Caller, cache_policy: CachePolicy, headers: Mapping[str, str]) -> str:
    """Return the fingerprint of a call whose answer others may get; empty for another one."""
    scope = caller.project if cache_policy.store else ""
    if cache_policy.idempotency_key:
        scope = f"{caller.project}/{caller.key_id}/{cache_policy.idempotency_key}"
    return fingerprint(call, scope=scope, headers=headers) if scope else ""


def initial_entry(
    request_id: str, call: Call, caller: Caller, *, provider: str | None, now: float, tags: dict[str, str] | None
) -> LedgerEntry:
    """Return a call's ledger entry before anything has happened; `provider` is that of its first target."""
    return LedgerEntry(
        id=request_id,
        at=now,
        project=caller.project,
        key_id=caller.key_id,
        end_user=call.end_user,
        route=call.endpoint.label,
        model=call.model,
        provider=provider,
        outcome="ok",
        cache="miss",
        stream=call.stream,
        tags=tags,
    )

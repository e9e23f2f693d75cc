"""Opens a call's papers: what it asks of the cache, of its caller's limits and budgets, and of the upstream."""

from random import Random

import msgspec

from tidegate.cache import policy
from tidegate.cache.fingerprint import fingerprint, shareable
from tidegate.cache.policy import CachePolicy
from tidegate.coalescing.registry import FlightRegistry
from tidegate.core.clock import Clock
from tidegate.core.config import CacheConfig, QueueConfig
from tidegate.core.values import Caller, LedgerEntry
from tidegate.limits.admission import AdmissionController
from tidegate.limits.scopes import Reservation, without_request_count
from tidegate.limits.scripts import SlotRequest
from tidegate.metering.max_cost import MaxCost, max_cost
from tidegate.metering.prices import Prices
from tidegate.pipeline.context import InferenceRequest, RequestContext, max_queue_seconds
from tidegate.providers.registry import HeaderForwarding
from tidegate.queue.slot import QueueSlots
from tidegate.routing.fallback_header import HEADER, allowed_steps
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.plan import AllowedSteps, Plan
from tidegate.routing.routes import Routes
from tidegate.routing.upstream_call import FallbackChain
from tidegate.wire.answer_form import caller_echo
from tidegate.wire.call import Call

_FRESH_ONLY = AllowedSteps(stale=False)


class RequestPreparer:
    """Opens tickets. It only reads what it is given; nothing here asks a store."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        admission: AdmissionController,
        flights: FlightRegistry,
        routes: Routes,
        forwarding: HeaderForwarding,
        fallback_chain: FallbackChain,
        random: Random,
        prices: Prices,
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
        self._prices = prices
        self._queue_slots = queue_slots
        self._cache = cache
        self._queue = queue
        self._clock = clock

    def prepare(self, request: InferenceRequest, call: Call, caller: Caller) -> RequestContext:
        """The papers of a call. Raises InvalidParameter for a header of ours that makes no sense."""
        wanted = policy.parse_cache_control(request.headers.get("cache-control"))
        if not (self._cache.enabled and shareable(call)):
            wanted = policy.NO_STORE_POLICY
        headers = self._forwarding.select(request.headers)
        now = self._clock.now()
        deadline = now + max_queue_seconds(request.headers, self._queue.deadline_seconds)
        allowed = allowed_steps(request.headers.get(HEADER))
        plan = self._plan(call, wanted, allowed)
        first = self._fallback_chain.first_step(plan, deadline=deadline)
        terms = self._reservation(request.id, call, caller, plan, now)
        if request.background_attempt is not None:
            terms = without_request_count(terms)  # the request was counted when its answer was promised
        return RequestContext(
            id=request.id,
            call=call,
            caller=caller,
            upstream_headers=headers,
            cache_policy=wanted,
            fingerprint=fingerprint(call, scope=caller.project, headers=headers) if wanted.store else "",
            echo=caller_echo(call),
            initial_entry=_initial_entry(request.id, call, caller, plan, now),
            reservation=terms,
            plan=plan,
            first_step=first,
            joinable=allowed is None,
            slot_request=self._slot_request(caller, terms, plan, first, deadline=deadline, now=now),
            queue_deadline=deadline,
            started_at=self._clock.monotonic(),
        )

    def _plan(self, call: Call, wanted: CachePolicy, allowed: AllowedSteps | None) -> Plan:
        plan = self._routes.plan(call.model, draw=self._random.random)
        if allowed is not None:
            plan = plan.restricted_to(allowed)
        return plan if wanted.lookup and wanted.store else plan.restricted_to(_FRESH_ONLY)

    def _reservation(self, request_id: str, call: Call, caller: Caller, plan: Plan, now: float) -> Reservation:
        scopes = self._admission.scopes(caller, call.end_user)
        aside = self._max_cost(call, plan, at=now, exact=scopes.limit_spending)
        return self._admission.reservation(request_id, scopes, now=now, tokens=aside.tokens, cost_nanos=aside.nanos)

    def _max_cost(self, call: Call, plan: Plan, *, at: float, exact: bool) -> MaxCost:
        """What to set aside, whichever of its targets answers."""
        names: dict[str, list[str]] = {}
        for target in plan.targets if plan.allowed_steps.targets else plan.targets[:1]:
            names.setdefault(target.model, []).append(target.name)
        tokens = nanos = 0
        for model, targets in names.items():
            asked = call if model == call.model else msgspec.structs.replace(call, model=model)
            aside = max_cost(asked, self._prices, at=at, exact=exact, targets=targets)
            tokens, nanos = max(tokens, aside.tokens), max(nanos, aside.nanos)
        return MaxCost(tokens=tokens, nanos=nanos)

    def _slot_request(  # a parameter for each part
        self,
        caller: Caller,
        terms: Reservation,
        plan: Plan,
        first: SendTo | None,
        *,
        deadline: float,
        now: float,
    ) -> SlotRequest:
        """What a call asks of the lane of its first step."""
        name = "" if first is None else first.lane
        limits = self._queue_slots.lane_limits(name)
        hurry = first is not None and first.max_wait_seconds is not None
        return SlotRequest(
            lane=name,
            member=self._flights.owner_name(terms.id),
            tokens=terms.tokens,
            flow=caller.project,
            weight=caller.priority.weight,
            deadline=min(deadline, now + first.max_wait_seconds)
            if first is not None and first.max_wait_seconds
            else deadline,
            rpm=limits.rpm,
            tpm=limits.tpm,
            max_waiting=limits.max_waiting,
            has_alternative=hurry or (plan.canned is not None and plan.allowed_steps.canned),
        )


def _initial_entry(request_id: str, call: Call, caller: Caller, plan: Plan, now: float) -> LedgerEntry:
    return LedgerEntry(
        id=request_id,
        at=now,
        project=caller.project,
        key_id=caller.key_id,
        end_user=call.end_user,
        route=call.endpoint.label,
        model=call.model,
        provider=plan.targets[0].provider,
        outcome="ok",
        cache="miss",
        stream=call.stream,
    )

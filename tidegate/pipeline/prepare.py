"""Opens a call's papers: what it asks of the cache, of its caller's limits and budgets, and of the upstream."""

from random import Random

import msgspec

from tidegate.cache import policy
from tidegate.cache.fingerprint import fingerprint, shareable
from tidegate.cache.policy import CachePolicy
from tidegate.coalescing.registry import Flights
from tidegate.core.clock import Clock
from tidegate.core.config import CacheConfig, QueueConfig
from tidegate.core.values import Caller, LedgerEntry
from tidegate.limits.admission import Door
from tidegate.limits.scopes import Terms, readmitted
from tidegate.limits.scripts import LaneAsk
from tidegate.metering.max_cost import Reserve, reserve
from tidegate.metering.prices import Prices
from tidegate.pipeline.context import Request, Ticket, patience
from tidegate.providers.registry import Forwarding
from tidegate.queue.slot import Turns
from tidegate.routing.fallback_header import HEADER, rungs_of
from tidegate.routing.fallback_policy import Ask
from tidegate.routing.plan import Plan, Rungs
from tidegate.routing.routes import Routes
from tidegate.routing.upstream_call import Ladder
from tidegate.wire.answer_form import echo_of
from tidegate.wire.call import Call

_FRESH_ONLY = Rungs(stale=False)


class Ticketing:
    """Opens tickets. It only reads what it is given; nothing here asks a store."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        door: Door,
        flights: Flights,
        routes: Routes,
        forwarding: Forwarding,
        ladder: Ladder,
        random: Random,
        prices: Prices,
        turns: Turns,
        cache: CacheConfig,
        queue: QueueConfig,
        clock: Clock,
    ) -> None:
        self._door = door
        self._flights = flights
        self._routes = routes
        self._forwarding = forwarding
        self._ladder = ladder
        self._random = random
        self._prices = prices
        self._turns = turns
        self._cache = cache
        self._queue = queue
        self._clock = clock

    def open(self, request: Request, call: Call, caller: Caller) -> Ticket:
        """The papers of a call. Raises InvalidParameter for a header of ours that makes no sense."""
        wanted = policy.read(request.headers.get("cache-control"))
        if not (self._cache.enabled and shareable(call)):
            wanted = policy.NOTHING
        headers = self._forwarding.of(request.headers)
        now = self._clock.now()
        deadline = now + patience(request.headers, self._queue.deadline_seconds)
        allowed = rungs_of(request.headers.get(HEADER))
        plan = self._plan(call, wanted, allowed)
        first = self._ladder.first(plan, deadline=deadline)
        terms = self._terms(request.id, call, caller, plan, now)
        if request.attempt is not None:
            terms = readmitted(terms)  # the request was counted when its answer was promised
        return Ticket(
            id=request.id,
            call=call,
            caller=caller,
            headers=headers,
            policy=wanted,
            fingerprint=fingerprint(call, scope=caller.project, headers=headers) if wanted.store else "",
            echo=echo_of(call),
            opened=_opened(request.id, call, caller, plan, now),
            terms=terms,
            plan=plan,
            first=first,
            shared=allowed is None,
            lane=self._lane(caller, terms, plan, first, deadline=deadline, now=now),
            deadline=deadline,
            started=self._clock.monotonic(),
        )

    def _plan(self, call: Call, wanted: CachePolicy, allowed: Rungs | None) -> Plan:
        plan = self._routes.plan(call.model, draw=self._random.random)
        if allowed is not None:
            plan = plan.keeping(allowed)
        return plan if wanted.lookup and wanted.store else plan.keeping(_FRESH_ONLY)

    def _terms(self, request_id: str, call: Call, caller: Caller, plan: Plan, now: float) -> Terms:
        scopes = self._door.scopes(caller, call.end_user)
        aside = self._dearest(call, plan, at=now, exact=scopes.spend)
        return self._door.terms(request_id, scopes, now=now, tokens=aside.tokens, nanos=aside.nanos)

    def _dearest(self, call: Call, plan: Plan, *, at: float, exact: bool) -> Reserve:
        """What to set aside, whichever of its targets answers."""
        names: dict[str, list[str]] = {}
        for target in plan.targets if plan.rungs.targets else plan.targets[:1]:
            names.setdefault(target.model, []).append(target.name)
        tokens = nanos = 0
        for model, targets in names.items():
            asked = call if model == call.model else msgspec.structs.replace(call, model=model)
            aside = reserve(asked, self._prices, at=at, exact=exact, targets=targets)
            tokens, nanos = max(tokens, aside.tokens), max(nanos, aside.nanos)
        return Reserve(tokens=tokens, nanos=nanos)

    def _lane(  # a parameter for each part
        self,
        caller: Caller,
        terms: Terms,
        plan: Plan,
        first: Ask | None,
        *,
        deadline: float,
        now: float,
    ) -> LaneAsk:
        """What a call asks of the lane of its first step."""
        name = "" if first is None else first.lane
        limits = self._turns.terms(name)
        hurry = first is not None and first.patience is not None
        return LaneAsk(
            lane=name,
            member=self._flights.owner(terms.id),
            tokens=terms.k,
            flow=caller.project,
            weight=caller.priority.weight,
            deadline=min(deadline, now + first.patience) if first is not None and first.patience else deadline,
            rpm=limits.rpm,
            tpm=limits.tpm,
            longest=limits.longest,
            elsewhere=hurry or (plan.canned is not None and plan.rungs.canned),
        )


def _opened(request_id: str, call: Call, caller: Caller, plan: Plan, now: float) -> LedgerEntry:
    return LedgerEntry(
        id=request_id,
        at=now,
        project=caller.project,
        key_id=caller.key_id,
        end_user=call.end_user,
        route=call.route.label,
        model=call.model,
        provider=plan.targets[0].provider,
        outcome="ok",
        cache="miss",
        stream=call.stream,
    )

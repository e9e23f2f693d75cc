"""Opens a call's papers: what it asks of the cache, of its caller's limits and budgets, and of the upstream."""

from tidegate.admission.door import Door
from tidegate.admission.gate import LaneAsk
from tidegate.admission.terms import Terms
from tidegate.admission.turn import Turns
from tidegate.cache import policy
from tidegate.cache.fingerprint import fingerprint, shareable
from tidegate.cache.flights import Flights
from tidegate.cache.stored import echo_of
from tidegate.core.clock import Clock
from tidegate.core.config import CacheConfig, QueueConfig
from tidegate.core.values import Caller, LedgerEntry
from tidegate.metering.prices import Prices
from tidegate.metering.reserve import reserve
from tidegate.ticket import Request, Ticket, patience
from tidegate.upstream.openai import PROVIDER
from tidegate.upstream.providers import Forwarding
from tidegate.wire.call import Call


class Ticketing:
    """Opens tickets. It only reads what it is given; nothing here asks a store."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        door: Door,
        flights: Flights,
        forwarding: Forwarding,
        prices: Prices,
        turns: Turns,
        cache: CacheConfig,
        queue: QueueConfig,
        clock: Clock,
    ) -> None:
        self._door = door
        self._flights = flights
        self._forwarding = forwarding
        self._prices = prices
        self._turns = turns
        self._cache = cache
        self._queue = queue
        self._clock = clock

    def open(self, request: Request, call: Call, caller: Caller) -> Ticket:
        """The papers of a call. Raises InvalidParameter for a deadline that is none."""
        wanted = policy.read(request.headers.get("cache-control"))
        if not (self._cache.enabled and shareable(call)):
            wanted = policy.NOTHING
        headers = self._forwarding.of(request.headers)
        now = self._clock.now()
        terms = self._terms(request.id, call, caller, now)
        deadline = now + patience(request.headers, self._queue.deadline_seconds)
        return Ticket(
            id=request.id,
            call=call,
            caller=caller,
            headers=headers,
            policy=wanted,
            fingerprint=fingerprint(call, scope=caller.project, headers=headers) if wanted.store else "",
            echo=echo_of(call),
            opened=_opened(request.id, call, caller, now),
            terms=terms,
            lane=self._lane(call, caller, terms, deadline=deadline),
            started=self._clock.monotonic(),
        )

    def _terms(self, request_id: str, call: Call, caller: Caller, now: float) -> Terms:
        scopes = self._door.scopes(caller, call.end_user)
        aside = reserve(call, self._prices, at=now, exact=any(scope.spends for scope in scopes))
        return self._door.terms(request_id, scopes, now=now, tokens=aside.tokens, nanos=aside.nanos)

    def _lane(self, call: Call, caller: Caller, terms: Terms, *, deadline: float) -> LaneAsk:
        name = f"{PROVIDER}/{call.model}"
        limits = self._turns.terms(name)
        return LaneAsk(
            lane=name,
            member=self._flights.owner(terms.id),
            tokens=terms.k,
            flow=caller.project,
            weight=caller.priority.weight,
            deadline=deadline,
            rpm=limits.rpm,
            tpm=limits.tpm,
            longest=limits.longest,
        )


def _opened(request_id: str, call: Call, caller: Caller, now: float) -> LedgerEntry:
    return LedgerEntry(
        id=request_id,
        at=now,
        project=caller.project,
        key_id=caller.key_id,
        end_user=call.end_user,
        route=call.route.label,
        model=call.model,
        provider=PROVIDER,
        outcome="ok",
        cache="miss",
        stream=call.stream,
    )

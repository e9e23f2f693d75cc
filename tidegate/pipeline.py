"""One request's story, from the bearer key to the ledger. `ARCHITECTURE.md` tells the same, step by step."""

import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog

from tidegate.admission.decision import Decision, Go, Hit, Join
from tidegate.admission.gate import Admission, Gate, Settlement
from tidegate.admission.keys import KeyRing
from tidegate.cache import policy
from tidegate.cache.fingerprint import fingerprint, shareable
from tidegate.cache.flight import Flight, Source
from tidegate.cache.flights import Flights
from tidegate.cache.given import Given
from tidegate.cache.policy import CachePolicy
from tidegate.cache.replay import events_of, in_form
from tidegate.cache.stored import Codec, StoredAnswer, echo_of
from tidegate.core.clock import Clock
from tidegate.core.config import CacheConfig
from tidegate.core.errors import ClientGone, NotCached, RedisUnavailable, TidegateError, UnknownModel
from tidegate.core.values import AnswerHead, Caller, LedgerEntry, Outcome, Route
from tidegate.delivery import Delivery, Wanted
from tidegate.metering.accountant import Accountant, joined
from tidegate.metering.ledger import Ledger, encode
from tidegate.upstream.asking import Asking
from tidegate.upstream.openai import PROVIDER, OpenAI
from tidegate.watch.upstream_health import UpstreamHealth
from tidegate.wire.call import Call, parse

STEPS = ("_identify", "_read", "_fingerprint", "_admit", "_ask", "_settle")
"""The story's steps, in the order in which `answer` takes them."""

_log = structlog.get_logger("pipeline")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What came in by HTTP."""

    id: str
    route: Route
    authorization: str
    """The header, empty if there is none."""
    headers: Mapping[str, str]
    """All headers, names in lower case."""
    body: Callable[[], Awaitable[bytes]]
    """Reads the body, within its limits."""

    def __repr__(self) -> str:
        return f"Request({self.id}, {self.route.label})"  # the headers hold the caller's key


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One call's papers, as it goes through the story."""

    id: str
    call: Call
    caller: Caller
    headers: Mapping[str, str]
    """Those of the caller that go upstream."""
    policy: CachePolicy
    fingerprint: str
    echo: str
    opened: LedgerEntry
    """The call's line in the ledger as it begins."""
    started: float
    """On the monotonic clock, seconds."""


SettleStep = Callable[[Ticket, str, Outcome], Awaitable[int]]
"""Accounts for a call's outcome, given the name it claimed its flight under; returns its cost, nano-dollars."""


class Pipeline:
    """Answers requests. Everything it works with is given to it."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        *,
        keys: KeyRing,
        gate: Gate,
        flights: Flights,
        upstream: OpenAI,
        accountant: Accountant,
        ledger: Ledger,
        health: UpstreamHealth,
        cache: CacheConfig,
        models: frozenset[str],
        clock: Clock,
    ) -> None:
        """`models` are those callers may name; empty allows all."""
        self._keys = keys
        self._gate = gate
        self._flights = flights
        self._upstream = upstream
        self._accountant = accountant
        self._ledger = ledger
        self._health = health
        self._cache = cache
        self._models = models
        self._clock = clock
        self._codec = Codec()

    async def answer(self, request: Request) -> Delivery:
        """The story. Raises TidegateError for what is refused before anything was asked."""
        caller = await self._identify(request)
        call = await self._read(request)
        ticket = self._fingerprint(request, call, caller)
        decision = await self._admit(ticket)
        if isinstance(decision, Hit):
            return self._give(ticket, decision)
        if isinstance(decision, Join) and (flight := await self._join(ticket, decision)):
            return self._passage(ticket, flight, cache="joined")
        flight = self._ask(ticket, claimed=decision == Go(claimed=True), then=self._settle)
        return self._passage(ticket, flight, cache="miss" if ticket.policy.store else "off")

    async def _identify(self, request: Request) -> Caller:
        """Who is it? From memory; a key not seen before costs one query."""
        return await self._keys.caller(request.authorization)

    async def _read(self, request: Request) -> Call:
        """Take the body in, within its limits, and decode it once."""
        call = parse(request.route, await request.body())
        if self._models and call.model not in self._models:
            raise UnknownModel(
                f"The model `{call.model}` does not exist or you do not have access to it.", param="model"
            )
        return call

    def _fingerprint(self, request: Request, call: Call, caller: Caller) -> Ticket:
        """What makes another call the same call, within the caller's project."""
        wanted = policy.read(request.headers.get("cache-control"))
        if not (self._cache.enabled and shareable(call)):
            wanted = policy.NOTHING
        headers = self._upstream.forwarded(request.headers)
        now = self._clock.now()
        return Ticket(
            id=request.id,
            call=call,
            caller=caller,
            headers=headers,
            policy=wanted,
            fingerprint=fingerprint(call, scope=caller.project, headers=headers) if wanted.store else "",
            echo=echo_of(call),
            opened=_opened(request.id, call, caller, now),
            started=self._clock.monotonic(),
        )

    async def _admit(self, ticket: Ticket) -> Decision:
        """One round trip: the stored answer, somebody who is asking the same, or go."""
        lookup, store = ticket.policy.lookup, ticket.policy.store
        if not store:
            return Go(claimed=False)
        hit = msgspec.structs.replace(ticket.opened, cache="hit")
        ask = Admission(
            fingerprint=ticket.fingerprint,
            owner=self._flights.owner(ticket.id),
            now=ticket.opened.at,
            lookup=lookup,
            claim=lookup and not ticket.policy.only_stored,
            max_age=ticket.policy.max_age,
            hit_entry=encode(hit),
        )
        try:
            decision = await self._gate.admit(ask)
        except RedisUnavailable:
            # without Redis calls go on: not stored, and shared within this process only
            local = self._flights.find(ticket.fingerprint) if ask.claim else None
            decision = Join(owner=self._flights.owner(ticket.id)) if local else Go(claimed=ask.claim)
        if ticket.policy.only_stored and not isinstance(decision, Hit):
            raise NotCached
        return decision

    def _give(self, ticket: Ticket, hit: Hit) -> Delivery:
        """The stored answer; its line in the ledger is written."""
        stored = self._codec.unpack(hit.head, hit.body, hit.at)
        age = max(0.0, ticket.opened.at - hit.at)
        return Delivery(_given(stored), _wanted(ticket), cache="hit", age=age)

    async def _join(self, ticket: Ticket, decision: Join) -> Flight | None:
        """The flight that is on its way to the same answer; None where it is gone and another must be begun."""
        local = self._flights.find(ticket.fingerprint)
        if local is not None or self._flights.is_own(decision.owner):
            return local
        return self._flights.follow(ticket.fingerprint, decision.owner, reopen=lambda head: self._reopen(ticket, head))

    async def _reopen(self, ticket: Ticket, head: AnswerHead | None) -> Source | str:
        """Another source for an answer whose asker died: stored, being asked by another (its name), or asked by us.

        An answer that had begun goes on in the form it had, a stream or whole.
        """
        decision = await self._admit(ticket)
        if isinstance(decision, Hit):
            stored = self._codec.unpack(decision.head, decision.body, decision.at)
            return _given(stored if head is None else in_form(stored, ticket.call.route, stream=head.stream))
        own = isinstance(decision, Join) and self._flights.is_own(decision.owner)
        if isinstance(decision, Join) and (not own or self._flights.leads(ticket.fingerprint)):
            return decision.owner
        if head is not None:
            ticket = msgspec.structs.replace(ticket, call=ticket.call.in_form(stream=head.stream))
        owner = ""
        if decision == Go(claimed=True):
            owner = self._flights.owner(ticket.id)
            self._flights.own(ticket.fingerprint, owner)
        # a line of its own: the caller's own line says that it was given another's answer, and may be written first
        again = msgspec.structs.replace(ticket.opened, id=f"{ticket.id}-again")
        return self._asking(msgspec.structs.replace(ticket, opened=again), owner=owner, then=self._settle)

    def _ask(self, ticket: Ticket, *, claimed: bool, then: SettleStep) -> Flight:
        """Ask the upstream, on a flight that others may join if it was claimed."""
        owner = self._flights.owner(ticket.id) if claimed else ""
        source = self._asking(ticket, owner=owner, then=then)
        return self._flights.lead(source, fingerprint=ticket.fingerprint, owner=owner)

    def _asking(self, ticket: Ticket, *, owner: str, then: SettleStep) -> Asking:
        return Asking(
            ticket.call,
            upstream=self._upstream,
            headers=ticket.headers,
            echo=ticket.echo,
            settle=lambda outcome: then(ticket, owner, outcome),
            clock=self._clock,
        )

    async def _settle(self, ticket: Ticket, owner: str, outcome: Outcome) -> int:
        """One round trip before the last byte leaves: the line in the ledger, the stored answer, the flight's end."""
        seconds = self._clock.monotonic() - ticket.started
        call = ticket.call
        entry = self._accountant.settled(ticket.opened, outcome, route=call.route, body=call.body, seconds=seconds)
        self._health.note(outcome.reported)
        if outcome.reported is not None:
            _log_failure(ticket, outcome.reported)
        settlement = self._settlement(ticket, owner, outcome, entry)
        try:
            await self._gate.settle(settlement)
        except RedisUnavailable:
            self._ledger.spool(settlement.entry)
        return entry.cost_nanos

    def _settlement(self, ticket: Ticket, owner: str, outcome: Outcome, entry: LedgerEntry) -> Settlement:
        encoded = encode(entry)
        now = self._clock.now()
        body = b"".join(outcome.events) if outcome.storable and ticket.policy.store else b""
        if not body or len(body) > self._cache.max_answer_bytes:
            return Settlement(fingerprint=ticket.fingerprint, owner=owner, entry=encoded, now=now)
        served_by = f"{PROVIDER}/{outcome.model or ticket.call.model}"
        stored = StoredAnswer(stream=outcome.stream, body=body, served_by=served_by, echo=ticket.echo)
        head, packed = self._codec.pack(stored)
        account = {"served_model": outcome.model, "provider": PROVIDER, "saved_nanos": entry.cost_nanos}
        return Settlement(
            fingerprint=ticket.fingerprint,
            owner=owner,
            entry=encoded,
            now=now,
            head=head,
            body=packed,
            account=msgspec.json.encode(account),
            keep_seconds=self._cache.ttl_seconds,
        )

    def _passage(self, ticket: Ticket, flight: Flight, *, cache: str) -> Delivery:
        if cache != "joined":
            return Delivery(flight, _wanted(ticket), cache=cache)

        async def book(error: TidegateError | None, cost_nanos: int) -> None:
            seconds = self._clock.monotonic() - ticket.started
            opened = msgspec.structs.replace(ticket.opened, cache="joined")
            await self._ledger.append(joined(opened, saved_nanos=cost_nanos, error=error, seconds=seconds))

        return Delivery(flight, _wanted(ticket), cache=cache, book=book)


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


def _wanted(ticket: Ticket) -> Wanted:
    call = ticket.call
    usage_chunk = call.wants_usage or call.route is not Route.CHAT
    return Wanted(route=call.route, stream=call.stream, usage_chunk=usage_chunk, echo=ticket.echo)


def _given(stored: StoredAnswer) -> Given:
    head = AnswerHead(stream=stored.stream, served_by=stored.served_by, echo=stored.echo)
    return Given(head, events_of(stored.body) if stored.stream else [stored.body])


def _log_failure(ticket: Ticket, error: TidegateError) -> None:
    words = error.words
    level = logging.INFO if isinstance(error, ClientGone) else logging.WARNING
    _log.log(
        level,
        "upstream call failed",
        request_id=ticket.id,
        error=error.name,
        route=ticket.call.route.label,
        model=ticket.call.model,
        project=ticket.caller.project,
        detail=error.message,
        upstream_status=words.status if words else None,
        upstream_type=words.type if words else None,
        upstream_code=words.code if words else None,
        upstream_message=words.message if words else None,
        upstream_request_id=words.request_id if words else None,
        retry_after=error.retry_after,
    )

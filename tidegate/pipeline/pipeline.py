"""One request's story, from the bearer key to the ledger. `ARCHITECTURE.md` tells the same, step by step."""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog

from tidegate.auth.key_cache import KeyRing
from tidegate.cache.buffered_answer import Given
from tidegate.cache.stored import Codec, StoredAnswer, in_form
from tidegate.coalescing.flight import Flight, Source
from tidegate.coalescing.registry import Flights
from tidegate.conversations.recall import Asker, Recollection
from tidegate.conversations.recorder import Memory, ResponseMemory
from tidegate.core.clock import Clock
from tidegate.core.endpoints import Format
from tidegate.core.errors import TidegateError, UnknownModel
from tidegate.core.values import AnswerHead, Caller, Outcome
from tidegate.limits.admission import Door
from tidegate.limits.decision import Go, Hit, Join
from tidegate.limits.retry_reservation import Resending
from tidegate.limits.scopes import readmitted
from tidegate.limits.scripts import Admission
from tidegate.metering.ledger.entries import encode
from tidegate.pipeline.background import Deferral
from tidegate.pipeline.context import Claim, Request, Ticket, again
from tidegate.pipeline.delivery import Delivery, Passage, Wanted
from tidegate.pipeline.fallback_answers import Spares
from tidegate.pipeline.prepare import Ticketing
from tidegate.pipeline.remember import Remembering
from tidegate.pipeline.settle import Settling
from tidegate.queue.messages import Queued, Refused
from tidegate.queue.messages import Ticket as LaneTicket
from tidegate.queue.slot import Turn, Turns
from tidegate.routing.fallback_policy import Ask
from tidegate.routing.upstream_call import Asking, Ladder, Question, Ways
from tidegate.routing.upstream_call import Turns as AttemptTurns
from tidegate.wire.answer_form import events_of
from tidegate.wire.call import Call, parse

STEPS = ("_identify", "_read", "_recall", "_fingerprint", "_admit", "_wait", "_ask", "_settle", "_remember")
"""The story's steps, in the order in which `answer` takes them."""

_log = structlog.get_logger("pipeline")


SettleStep = Callable[[Ticket, Claim, Outcome], Awaitable[int]]
"""Accounts for a call's outcome; returns its cost, nano-dollars."""


class Pipeline:
    """Answers requests. Everything it works with is given to it."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        *,
        keys: KeyRing,
        door: Door,
        flights: Flights,
        ladder: Ladder,
        turns: Turns,
        ticketing: Ticketing,
        recollection: Recollection,
        settling: Settling,
        deferral: Deferral,
        spares: Spares,
        codec: Codec,
        models: frozenset[str],
        clock: Clock,
    ) -> None:
        """`models` are those callers may name; empty allows all."""
        self._keys = keys
        self._door = door
        self._flights = flights
        self._ladder = ladder
        self._turns = turns
        self._ticketing = ticketing
        self._recollection = recollection
        self._settling = settling
        self._deferral = deferral
        self._spares = spares
        self._codec = codec
        self._models = models
        self._clock = clock

    async def answer(self, request: Request) -> Passage:
        """The story. Raises TidegateError for what is refused before anything was asked."""
        caller = await self._identify(request)
        call = await self._read(request, caller)
        asked = call
        call, memory = await self._recall(request, call, caller)
        try:
            ticket = self._fingerprint(request, call, caller)
            if isinstance(memory, ResponseMemory) and memory.asked.background and request.attempt is None:
                return await self._deferral.take(request, asked, ticket, memory)  # a worker goes on from here
            decision = await self._admit(ticket)
            flight = self._join(ticket, decision) if isinstance(decision, Join) else None
            if flight is None and isinstance(decision, Join):
                decision = await self._admit(ticket, alone=True)  # it has landed meanwhile
            if isinstance(decision, Hit):
                delivery = self._give(ticket, decision)
            elif flight is not None:
                delivery = self._passage(ticket, flight, decision, cache="joined")
            else:
                turns = self._wait(ticket, decision)
                flight = self._ask(ticket, decision, turns, then=self._settle)
                delivery = self._passage(ticket, flight, decision, cache="miss" if ticket.policy.store else "off")
            return self._remember(delivery, memory)
        except BaseException:  # refused or cancelled: there will be no answer that could leave its memory
            if memory is not None:
                await memory.leave()
            raise

    async def _identify(self, request: Request) -> Caller:
        """Who is it? From memory; a key not seen before costs one query."""
        if request.attempt is not None:
            return await self._keys.holder(request.attempt.key_id)
        return await self._keys.caller(request.authorization)

    async def _read(self, request: Request, caller: Caller) -> Call:
        """Take the body in, within its limits, and decode it once."""
        call = parse(request.route, await request.body())
        for models in (self._models, caller.models):
            if models and call.model not in models:
                raise UnknownModel(
                    f"The model `{call.model}` does not exist or you do not have access to it.", param="model"
                )
        return call

    async def _recall(self, request: Request, call: Call, caller: Caller) -> tuple[Call, Memory | None]:
        """What was said before? Only for stateful calls: it is put into the call, and a memory awaits the answer."""
        asker = Asker(project=caller.project, request_id=request.id)
        if (attempt := request.attempt) is not None:
            asker = Asker(
                project=caller.project,
                request_id=request.id,
                promised=attempt.response_id,
                created_at=attempt.created_at,
            )
        return await self._recollection.recall(call, asker)

    def _fingerprint(self, request: Request, call: Call, caller: Caller) -> Ticket:
        """What makes another call the same call, within the caller's project; with it, the call's papers."""
        return self._ticketing.open(request, call, caller)

    async def _admit(self, ticket: Ticket, *, alone: bool = False) -> Hit | Join | Go:
        """One round trip: limits and budgets, the stored answer, somebody who is asking the same, or go.

        `alone` neither joins others nor lets them join.
        """
        self._settling.check()
        wanted = ticket.policy
        claim = wanted.lookup and not wanted.only_stored and ticket.shared and not alone
        terms = readmitted(ticket.terms) if alone else ticket.terms
        hit = msgspec.structs.replace(ticket.opened, cache="hit")
        ask = Admission(
            fingerprint=ticket.fingerprint,
            owner=self._flights.owner(ticket.id),
            now=self._clock.now(),
            lookup=wanted.lookup,
            claim=claim,
            max_age=wanted.max_age,
            only_stored=wanted.only_stored,
            hit_entry=encode(hit),
            terms=terms,
            lane=ticket.lane,
        )
        return await self._door.admit(ask, local=lambda: self._local_owner(ticket.fingerprint) if claim else None)

    def _local_owner(self, fingerprint: str) -> str | None:
        return self._flights.owner("") if self._flights.find(fingerprint) else None

    def _give(self, ticket: Ticket, hit: Hit) -> Delivery:
        """The stored answer; its line in the ledger is written."""
        stored = self._codec.unpack(hit.head, hit.body, hit.at)
        age = max(0.0, ticket.opened.at - hit.at)
        return Delivery(_given(stored), _wanted(ticket), cache="hit", age=age, allowance=hit.allowance)

    def _join(self, ticket: Ticket, decision: Join) -> Flight | None:
        """The flight that is on its way to the same answer; None where it is gone and another must be begun."""
        local = self._flights.find(ticket.fingerprint)
        if local is not None or self._flights.is_own(decision.owner):
            return local
        return self._flights.follow(ticket.fingerprint, decision.owner, reopen=lambda head: self._reopen(ticket, head))

    async def _reopen(self, ticket: Ticket, head: AnswerHead | None) -> Source | str:
        """Another source for an answer whose asker died: stored, being asked by another (its name), or asked by us.

        An answer that had begun goes on in the form it had, a stream or whole.
        """
        ticket = again(ticket)
        decision = await self._admit(ticket)
        if isinstance(decision, Join):
            if not self._flights.is_own(decision.owner) or self._flights.leads(ticket.fingerprint):
                return decision.owner
            decision = await self._admit(ticket, alone=True)  # our own has landed meanwhile
        if isinstance(decision, Hit):
            stored = self._codec.unpack(decision.head, decision.body, decision.at)
            return _given(stored if head is None else in_form(stored, ticket.call.route, stream=head.stream))
        if head is not None:
            ticket = msgspec.structs.replace(ticket, call=ticket.call.in_form(stream=head.stream))
        claim = self._claim(ticket, decision)
        if claim.owner:
            self._flights.own(ticket.fingerprint, claim.owner)
        return self._asking(ticket, claim, self._wait(ticket, decision), then=self._settle)

    def _wait(self, ticket: Ticket, decision: Join | Go) -> AttemptTurns:
        """The call's turns at the upstream: the first was asked for on the way in, others where they are needed."""
        lane = ticket.lane
        paper = LaneTicket(
            member=lane.member, tokens=lane.tokens, flow=lane.flow, weight=lane.weight, deadline=lane.deadline
        )

        def turn(ask: Ask, number: int) -> Turn:
            if number == 0 and ask.lane == lane.lane:
                if isinstance(decision.verdict, Queued | Refused):
                    self._ladder.board.busy(lane.lane, decision.verdict.eta)
                return self._turns.turn(lane.lane, paper, decision.verdict)
            deadline = ticket.deadline
            if ask.patience is not None:
                deadline = min(deadline, self._clock.now() + ask.patience)
            own = msgspec.structs.replace(paper, member=f"{lane.member}-{number}", deadline=deadline)
            return self._turns.turn(ask.lane, own, None)

        return turn

    def _ask(self, ticket: Ticket, decision: Join | Go, turns: AttemptTurns, *, then: SettleStep) -> Flight:
        """Ask the upstream, down the ladder, on a flight that others may join if it was claimed."""
        claim = self._claim(ticket, decision)
        source = self._asking(ticket, claim, turns, then=then)
        return self._flights.lead(source, fingerprint=ticket.fingerprint, owner=claim.owner)

    def _claim(self, ticket: Ticket, decision: Join | Go) -> Claim:
        return Claim(owner=self._flights.owner(ticket.id) if decision.claimed else "", memory=decision.memory)

    def _asking(self, ticket: Ticket, claim: Claim, turns: AttemptTurns, *, then: SettleStep) -> Asking:
        question = Question(
            call=ticket.call,
            plan=ticket.plan,
            headers=ticket.headers,
            echo=ticket.echo,
            deadline=ticket.deadline,
            first=ticket.first,
        )
        resending = Resending(self._door, ticket.terms, partial(_line, ticket), self._clock)

        async def settle(outcome: Outcome) -> int:
            cost_nanos = await then(ticket, claim, outcome)
            await resending.over()
            return cost_nanos

        ways = Ways(
            turns=turns,
            settle=settle,
            stale=lambda: self._spares.stale(ticket),
            canned=lambda: self._spares.canned(ticket),
            afford=resending.afford,
        )
        return Asking(question, ways, self._ladder)

    async def _settle(self, ticket: Ticket, claim: Claim, outcome: Outcome) -> int:
        """One round trip before the last byte leaves: the charge, the line in the ledger, the stored answer."""
        return await self._settling.asked(ticket, claim, outcome)

    def _remember(self, delivery: Delivery, memory: Memory | None) -> Passage:
        """The answer under its caller's own ids, committed before its end is told."""
        return delivery if memory is None else Remembering(delivery, memory)

    def _passage(self, ticket: Ticket, flight: Flight, decision: Join | Go, *, cache: str) -> Delivery:
        if not isinstance(decision, Join):
            return Delivery(flight, _wanted(ticket), cache=cache, allowance=decision.allowance)

        async def book(error: TidegateError | None, cost_nanos: int) -> None:
            await self._settling.joined(ticket, decision.memory, error, cost_nanos)

        return Delivery(flight, _wanted(ticket), cache=cache, book=book, allowance=decision.allowance)


def _line(ticket: Ticket, name: str) -> bytes:
    return encode(msgspec.structs.replace(ticket.opened, id=name))


def _wanted(ticket: Ticket) -> Wanted:
    call = ticket.call
    usage_chunk = call.wants_usage or call.route.format is not Format.CHAT
    return Wanted(route=call.route, stream=call.stream, usage_chunk=usage_chunk, echo=ticket.echo)


def _given(stored: StoredAnswer) -> Given:
    head = AnswerHead(stream=stored.stream, served_by=stored.served_by, echo=stored.echo, adapted=stored.adapted)
    return Given(head, events_of(stored.body) if stored.stream else [stored.body])

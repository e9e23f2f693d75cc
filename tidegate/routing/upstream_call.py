"""A call's way down the ladder, as the source of its answer: asked, watched, settled before its last byte."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import assert_never

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.config import RetriesConfig
from tidegate.core.errors import ClientGone, TidegateError
from tidegate.core.values import AnswerHead, Outcome, Ready
from tidegate.providers.base import Provider
from tidegate.providers.responses_over_chat import fitted_for
from tidegate.routing.attempt import Attempt, Turn
from tidegate.routing.attempt_runner import Come, Sending
from tidegate.routing.fallback_policy import Again, Ask, Canned, Fail, Moment, Rung, Stale, Step, Walk, next_step
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.registry import Board
from tidegate.routing.plan import Plan
from tidegate.routing.retry_budget import RetryBudget
from tidegate.wire.call import Call

Settle = Callable[[Outcome], Awaitable[int]]
"""Accounts for an outcome and returns what it cost, in nano-dollars."""
Turns = Callable[[Ask, int], Turn]
"""Gives the turn of an attempt, by where it goes and its number, from 0."""
Afford = Callable[[], Awaitable[bool]]
"""Sets money aside for one more attempt; False where there is none."""
Spare = Callable[[], Awaitable[Ready | None]]
"""Looks for a stale answer; None where there is none that may be given."""

_LEAVING_SECONDS = 0.02
"""For which a stream that nobody waits for any more is read on."""
CANNED = "canned"
"""Who is said to have answered with a canned reply."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What one call brings along for its way down the ladder."""

    call: Call
    plan: Plan
    headers: Mapping[str, str]
    echo: str
    deadline: float
    """Unix seconds until which it may wait for its turn."""
    first: Ask | None
    """The first step, where it was decided already."""


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """What the ladder needs of the other parts, for one call."""

    turns: Turns
    settle: Settle
    stale: Spare
    canned: Spare
    afford: Afford


class Ladder:
    """What all calls share on their way upstream."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        providers: Mapping[str, Provider],
        board: Board,
        retries: RetriesConfig,
        total_seconds: float,
        clock: Clock,
        random: Random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`total_seconds` is how long a call may take, once its waiting is over; `pause` waits between attempts."""
        self.providers = providers
        self.board = board
        self.clock = clock
        self.pause = pause
        self.total_seconds = total_seconds
        self.budget = RetryBudget(share=retries.share, floor=retries.floor)
        self._most_retries = retries.most
        self._random = random
        self._credentials = {name: provider.credentials for name, provider in providers.items()}

    def first(self, plan: Plan, *, deadline: float) -> Ask | None:
        """Where a call would be sent now; None where nobody can be asked, or only by one call at a time."""
        step = self.next_step(self.walk(plan), deadline)
        return step if isinstance(step, Ask) and not step.claim else None

    def may_ask(self, ask: Ask) -> bool:
        """Whether nothing is known against it."""
        standings = self.board.standings
        closed = standings.breaker(ask.target).circuit is Circuit.CLOSED
        return closed and not standings.credential(ask.target, ask.credential).taken_out

    def walk(self, plan: Plan) -> Walk:
        """A call at the ladder's top."""
        return Walk(plan=plan, credentials=self._credentials)

    def next_step(self, walk: Walk, deadline: float) -> Step:
        """What to do next for a call."""
        moment = Moment(
            now=self.clock.now(),
            deadline=deadline,
            standings=self.board.standings,
            most_retries=self._most_retries,
            may_retry=not walk.tried or self.budget.allows(self.clock.monotonic()),
            draw=self._random.random() if walk.tried else 0.0,
        )
        return next_step(walk, moment)


class Asking:
    """One call. Implements `tidegate.coalescing.flight.Source`.

    `ways.settle` is awaited before the last event, the whole body or the error is handed on. It may be called twice
    with the same outcome if it is cancelled half-way, so it must be idempotent.
    """

    def __init__(self, question: Question, ways: Ways, ladder: Ladder) -> None:
        self._question = question
        self._ways = ways
        self._ladder = ladder
        self._walk = ladder.walk(question.plan)
        self._until = ladder.clock.monotonic() + question.deadline - ladder.clock.now() + ladder.total_seconds
        """When the call has had its time, on the monotonic clock."""
        self._ask: Ask | None = None
        """The last that was asked, or is being asked."""
        self._attempt: Attempt | None = None
        """The one that is under way, or answers."""
        self._failed: Attempt | None = None
        """The last one that failed."""
        self._turns: list[Turn] = []
        self._ready: Ready | None = None
        self._given_rung: Rung | None = None
        self._before: tuple[Outcome, ...] = ()
        """How the attempts that failed ended."""
        self._afforded = 0
        """Of those that may be charged, for how many the money of another attempt was set aside."""
        self._timer: asyncio.TimerHandle | None = None
        self._outcome: Outcome | None = None
        """How it ended, once it has."""
        self._settled = False
        self.cost_nanos = 0
        """What the call cost, once settled."""

    async def open(self) -> AnswerHead:
        """Find somebody who answers; an answer in one piece is read to its end. Raises TidegateError."""
        try:
            head = await self._walk_down()
        except TidegateError as error:
            await self._conclude(error)
            raise
        if not head.stream or self._attempt is None:
            await self._conclude(None)
        return head

    async def more(self) -> list[bytes]:
        """The next events. Raises TidegateError."""
        attempt = self._attempt
        if self._outcome is None and attempt is not None:
            try:
                if events := await attempt.more():
                    return events
            except TidegateError as error:
                self._outcome = self._ended(error)
                self._ladder.board.failed(attempt.fitted.target, attempt.credential, error)
        if not self._settled:
            await self._conclude(None)
        if self._outcome is not None and self._outcome.error is not None:
            raise self._outcome.error
        return self._last()

    async def abandon(self) -> None:
        """Cut the call upstream, and account for what was used."""
        if self._attempt is not None:
            if self._outcome is None:
                await self._attempt.read_what_came(_LEAVING_SECONDS)
            self._attempt.close()
        await self._conclude(ClientGone())

    # down the ladder

    async def _walk_down(self) -> AnswerHead:
        self._ladder.budget.call(self._ladder.clock.monotonic())
        step = self._first()
        while True:
            head = await self._take(step)
            if head is not None:
                return head
            step = self._next()

    def _first(self) -> Step:
        """As it was decided on the way in, unless something has happened since."""
        first = self._question.first
        if first is None or self._ladder.may_ask(first):
            return first or self._next()
        self._turns.append(self._ways.turns(first, 0))
        self._turns[0].decline()
        return self._next()

    def _next(self) -> Step:
        return self._ladder.next_step(self._walk, self._question.deadline)

    async def _take(self, step: Step) -> AnswerHead | None:
        """One step; the answer's head, or None where another step must be taken. Raises TidegateError at the end."""
        match step:
            case Ask() | Again() if self._before and not await self._may_afford():
                self._walk = self._walk.without_money()
                return None
            case Ask():
                return await self._send(step) if await self._may_send(step) else None
            case Again():
                return await self._send_again()
            case Stale():
                self._walk = self._walk.without_stale()
                return self._given(await self._ways.stale(), Rung.STALE)
            case Canned():
                self._walk = self._walk.without_canned()
                return self._given(await self._ways.canned(), Rung.CANNED)
            case Fail():
                if (head := self._failed_response(step.error)) is not None:
                    return head
                raise step.error
        assert_never(step)

    async def _may_afford(self) -> bool:
        """Whether an attempt may be paid: what was set aside pays one, and each that failed may be charged, too."""
        if sum(outcome.taken for outcome in self._before) == self._afforded:
            return True
        self._afforded += 1
        return await self._ways.afford()

    async def _may_send(self, ask: Ask) -> bool:
        ladder = self._ladder
        if ask.claim and not await ladder.board.claim(ask.claim, ask.claim_seconds, fleet_seconds=ask.fleet_seconds):
            self._walk = self._walk.passing(ask.claim)
            return False
        if ask.after > 0:
            ladder.budget.take(ladder.clock.monotonic())
            await ladder.pause(ask.after)
        return True

    async def _send(self, ask: Ask) -> AnswerHead | None:
        ladder, question = self._ladder, self._question
        turn = self._ways.turns(ask, len(self._turns))
        provider = ladder.providers[ask.target.provider]
        self._ask = ask
        try:
            fitted, interpreter = fitted_for(question.call, ask.target, provider=provider, clock=ladder.clock)
        except TidegateError as error:
            turn.decline()
            if ask.is_trial:
                ladder.board.gave_up(ask.target)
            self._walk = self._walk.failed(ask, error)
            return None
        self._turns.append(turn)
        attempt = Attempt(
            fitted,
            ask.credential,
            provider=provider,
            headers=question.headers,
            turn=turn,
            clock=ladder.clock,
            interpreter=interpreter,
        )
        return await self._answered(ask, attempt, turn.come)

    async def _send_again(self) -> AnswerHead | None:
        """To where it was refused for its rate, once there is room."""
        ask, before = self._ask, self._failed
        assert ask is not None  # noqa: S101  # it was refused
        assert before is not None  # noqa: S101  # it was refused
        self._ask = ask = msgspec.structs.replace(ask, rung=Rung.AGAIN, claim="")
        return await self._answered(ask, before.another(), before.turn.again)

    async def _answered(self, ask: Ask, attempt: Attempt, come: Come) -> AnswerHead | None:
        """Send an attempt when its turn has come; None where it failed."""
        self._attempt = attempt
        left = self._until - self._ladder.clock.monotonic() if self._walk.tried else None
        sending = Sending(ask, attempt, self._ladder.board, seconds=left)
        try:
            begun = await sending.run(come)
        except TidegateError as error:
            self._note_failure(ask, attempt, error)
            return None
        if not begun:
            self._attempt = None
            self._walk = self._walk.waited()
            return None
        if left is not None and attempt.stream:
            left = self._until - self._ladder.clock.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, left), attempt.time_is_up)
        return self._head(attempt)

    def _note_failure(self, ask: Ask, attempt: Attempt, error: TidegateError) -> None:
        self._walk = self._walk.failed(ask, error)
        self._before = (*self._before, _ended(ask, attempt, error, handed_on=False))
        self._failed, self._attempt = attempt, None

    # the answer

    def _head(self, attempt: Attempt) -> AnswerHead:
        target = attempt.fitted.target
        return AnswerHead(
            stream=attempt.stream,
            served_by=f"{target.provider}/{attempt.watch.model or target.model}",
            echo=self._question.echo,
            queued_ms=round(1000 * sum(turn.waited for turn in self._turns)),
            adapted=attempt.fitted.adapted,
        )

    def _given(self, ready: Ready | None, rung: Rung) -> AnswerHead | None:
        if ready is None:
            return None
        self._ready, self._given_rung = ready, rung
        return msgspec.structs.replace(ready.head, queued_ms=round(1000 * sum(turn.waited for turn in self._turns)))

    def _failed_response(self, error: TidegateError) -> AnswerHead | None:
        """A Response that says itself that it failed is handed on as it is."""
        failed = self._failed
        if failed is None or not failed.ended or self._walk.tried[-1].error is not error:
            return None
        self._attempt, self._failed, self._before = failed, None, self._before[:-1]
        return self._head(failed)

    def _last(self) -> list[bytes]:
        if self._ready is not None:
            events, self._ready = self._ready.events, None
            return list(events)
        if self._attempt is None:
            return []
        last, self._attempt.last = self._attempt.last, []
        return last

    # the end

    async def _conclude(self, error: TidegateError | None) -> None:
        if self._outcome is None:
            self._outcome = self._ended(error)
            if self._attempt is not None and self._outcome.reported is None:
                self._ladder.board.completed(self._attempt.fitted.target)
        if self._timer is not None:
            self._timer.cancel()
        if self._settled:
            return
        self.cost_nanos = await self._ways.settle(self._outcome)
        self._settled = True
        if self._attempt is not None and self._outcome.error is None:
            self._attempt.finish()
        elif self._attempt is not None:
            self._attempt.close()

    def _ended(self, error: TidegateError | None) -> Outcome:
        ask, attempt, before = self._ask, self._attempt, self._before
        if self._given_rung is not None:
            provider = CANNED if self._given_rung is Rung.CANNED else None
            last = Outcome(sent=False, provider=provider, rung=self._given_rung.value)
        elif attempt is not None and ask is not None:
            last = _ended(ask, attempt, error, handed_on=True)
        else:
            told = [outcome for outcome in before if outcome.error is error]
            last = told[-1] if error is not None and told else Outcome(error=error, reported=error, sent=False)
            before = tuple(outcome for outcome in before if outcome is not last)
        attempts = sum(outcome.sent for outcome in (*before, last))
        return msgspec.structs.replace(last, before=before, attempts=attempts)


def _ended(ask: Ask, attempt: Attempt, error: TidegateError | None, *, handed_on: bool) -> Outcome:
    """How an attempt ended; `handed_on` unless it failed before anybody saw anything of it."""
    watch, (seconds, silent) = attempt.watch, attempt.elapsed()
    return Outcome(
        error=error,
        reported=error or attempt.reported,
        stream=attempt.stream,
        events=tuple(attempt.events) if handed_on else (),
        usage=watch.usage,
        model=watch.model,
        tier=watch.tier,
        storable=error is None and watch.complete and watch.storable,
        sent=attempt.sent,
        first_byte_seconds=attempt.first_byte_seconds,
        upstream_request_id=attempt.request_id,
        provider=ask.target.provider,
        target=ask.target.model,
        adapted=attempt.fitted.adapted,
        rung=ask.rung.value,
        seconds=seconds,
        silent_seconds=silent,
    )

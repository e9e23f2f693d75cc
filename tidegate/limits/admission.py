"""The door: calls go in by it and come out by it, whatever state the stores are in."""

import asyncio
from collections.abc import Callable

from tidegate.core.errors import NotCached, RedisUnavailable, StoreError
from tidegate.core.values import Caller, Limits
from tidegate.limits.decision import Absent, Allowance, Busy, Decision, Go, Hit, Join, Rebuild, Refuse
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import Recount
from tidegate.limits.rejections import error_of
from tidegate.limits.reservations import Holds
from tidegate.limits.scopes import Scopes, Terms, period_of, scopes_of
from tidegate.limits.scripts import Admission, Gate, Settlement
from tidegate.queue.waiters import busy_error

LocalOwner = Callable[[], str | None]


def _nobody() -> None:
    return None


class Door:
    """What the pipeline sees of admission."""

    def __init__(self, gate: Gate, holds: Holds, recount: Recount, local: LocalLimits, *, everybody: Limits) -> None:
        """`local` keeps the limits while Redis is away; `everybody` limits the whole deployment."""
        self._gate = gate
        self._holds = holds
        self._recount = recount
        self._local = local
        self._everybody = everybody

    def scopes(self, caller: Caller, end_user: str | None) -> Scopes:
        """The scopes a call counts in."""
        return scopes_of(caller, end_user, self._everybody)

    def terms(self, request_id: str, scopes: Scopes, *, now: float, tokens: int, nanos: int) -> Terms:
        """What a call of this size asks for; `now` in Unix seconds."""
        period = period_of(now)
        return Terms(
            p=self._gate.prefix,
            id=request_id,
            d=period.day,
            m=period.month,
            midnight=period.midnight,
            month_end=period.month_end,
            n=scopes.names,
            scopes=scopes.limiting,
            k=tokens,
            c=nanos,
            lease=self._holds.lease_seconds,
        )

    async def admit(self, ask: Admission, *, local: LocalOwner = _nobody) -> Hit | Join | Go:
        """Let a call in; `local` tells who owns a flight to the same answer in this process, for when Redis is away.

        A call that was a Join may ask once more: it gives up what it held. Raises CallerLimited, CallTooLarge,
        BudgetExceeded, BudgetHeld, QueueFull, QueueTimeout or NotCached; and a StoreError where a budget cannot be
        looked at.
        """
        self._holds.discard(ask.terms.id)
        self._local.ended(ask.terms.id)
        try:
            decision = await self._through_gate(ask)
        except asyncio.CancelledError:
            self._holds.release_later(ask.terms.id)
            raise
        except RedisUnavailable as error:
            return self._without_redis(ask, error, local())  # asked now: others may have set off meanwhile
        if isinstance(decision, Go | Join):
            self._keep(ask, decision)
            return decision
        if isinstance(decision, Hit):
            return decision
        raise _refusal(decision, ask)

    async def give_back(self, request_id: str, *, now: float) -> None:
        """A call that was let in does not go, and gives back what it holds: at once, or when Redis is back."""
        self._local.ended(request_id)
        self._holds.discard(request_id)
        try:
            await self._gate.release(request_id, now=now)
        except RedisUnavailable:
            self._holds.release_later(request_id)

    async def settle(self, settlement: Settlement) -> None:
        """Let a call out. Raises RedisUnavailable; then it is charged later, and the ledger's line must be kept."""
        done = settlement.done
        self._local.ended(done.id)
        self._holds.discard(done.id)  # first: what is settled must not be held anew
        try:
            await self._gate.settle(settlement)
        except RedisUnavailable:
            self._holds.settle_later(settlement)
            raise
        self._holds.settled(settlement)

    async def _through_gate(self, ask: Admission) -> Decision:
        decision = await self._gate.admit(ask)
        if isinstance(decision, Rebuild):
            await self._recount.ensure()
            return await self._gate.admit(ask)
        return decision

    def _keep(self, ask: Admission, decision: Go | Join) -> None:
        if decision.memory:
            self._holds.add(ask, spends=isinstance(decision, Go))
        if isinstance(decision, Go) and not decision.counted:
            self._recount.soon()

    def _without_redis(self, ask: Admission, error: StoreError, local: str | None) -> Join | Go:
        """Calls go on within this process's share of the limits; but nobody spends a budget that cannot be seen."""
        if ask.only_stored:
            raise NotCached
        if ask.terms.c > 0 and any(scope.bd is not None or scope.bm is not None for scope in ask.terms.scopes):
            self._holds.release_later(ask.terms.id)  # Redis may have heard, and only its answer be missing
            raise error
        refusal = self._local.refuse_or_take(ask.terms, now=ask.now, spends=local is None)
        if refusal is not None:
            self._holds.release_later(ask.terms.id)
            raise error_of(refusal, now=ask.now)
        if local is not None:
            return Join(allowance=Allowance(), owner=local, memory="")
        return Go(allowance=Allowance(), claimed=ask.claim, memory="")


def _refusal(decision: Absent | Busy | Rebuild | Refuse, ask: Admission) -> Exception:
    match decision:
        case Refuse():
            return error_of(decision, now=ask.now)
        case Busy():
            return busy_error(decision.verdict, ask.lane.deadline - ask.now)
        case Absent():
            return NotCached()
        case Rebuild():
            return RedisUnavailable("Redis lost its memory again while the budgets were being counted.")

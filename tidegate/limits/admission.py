"""The door: calls go in by it and come out by it, whatever state the stores are in."""

import asyncio
from typing import Protocol

from tidegate.core.errors import NotCached, RedisUnavailable, StoreError
from tidegate.core.values import Caller, Limits
from tidegate.limits.decision import (
    CacheHit,
    Decision,
    JoinFlight,
    LimitRejection,
    NoStoredAnswer,
    RebuildNeeded,
    RemainingLimits,
    SendUpstream,
    UpstreamFull,
)
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import BudgetRebuild
from tidegate.limits.rejections import rejection_error
from tidegate.limits.reservations import Reservations
from tidegate.limits.scopes import CallerScopes, Reservation, caller_scopes, period_of
from tidegate.limits.scripts import AdmissionRequest, LimitScripts, Settlement
from tidegate.queue.waiters import busy_error


class LocalFlights(Protocol):
    """The flights of this process, as admission sees them while Redis is down."""

    def local_owner(self, fingerprint: str) -> str | None:
        """Return the owner's name if this process has a flight for the answer that may be joined."""
        ...


class AdmissionController:
    """What the pipeline sees of admission."""

    def __init__(
        self,
        scripts: LimitScripts,
        reservations: Reservations,
        rebuild: BudgetRebuild,
        local_limits: LocalLimits,
        *,
        global_limits: Limits,
    ) -> None:
        """`local` keeps the limits while Redis is away; `everybody` limits the whole deployment."""
        self._scripts = scripts
        self._reservations = reservations
        self._rebuild = rebuild
        self._local_limits = local_limits
        self._global_limits = global_limits

    def scopes(self, caller: Caller, end_user: str | None) -> CallerScopes:
        """The scopes a call counts in."""
        return caller_scopes(caller, end_user, self._global_limits)

    def reservation(
        self, request_id: str, scopes: CallerScopes, *, now: float, tokens: int, cost_nanos: int
    ) -> Reservation:
        """What a call of this size asks for; `now` in Unix seconds."""
        period = period_of(now)
        return Reservation(
            prefix=self._scripts.prefix,
            id=request_id,
            day=period.day,
            month=period.month,
            midnight=period.midnight,
            month_end=period.month_end,
            scope_names=scopes.names,
            scopes=scopes.limiting,
            tokens=tokens,
            cost_nanos=cost_nanos,
            lease_seconds=self._reservations.lease_seconds,
        )

    async def admit(
        self, request: AdmissionRequest, *, flights: LocalFlights | None = None
    ) -> CacheHit | JoinFlight | SendUpstream:
        """Let a call in; while Redis is down, it may join one of `flights` of this process.

        A call that was a Join may ask once more: it gives up what it held. Raises CallerLimited, CallTooLarge,
        BudgetExceeded, BudgetHeld, QueueFull, QueueTimeout or NotCached; and a StoreError where a budget cannot be
        looked at.
        """
        self._reservations.discard(request.reservation.id)
        self._local_limits.release(request.reservation.id)
        try:
            decision = await self._decide(request)
        except asyncio.CancelledError:
            self._reservations.release_later(request.reservation.id)
            raise
        except RedisUnavailable as error:
            # looked up now: another call may have started a flight during the round trip
            local = flights.local_owner(request.fingerprint) if flights is not None and request.claim else None
            return self._without_redis(request, error, local)
        if isinstance(decision, SendUpstream | JoinFlight):
            self._record(request, decision)
            return decision
        if isinstance(decision, CacheHit):
            return decision
        raise _error_of_decision(decision, request)

    async def release(self, request_id: str, *, now: float) -> None:
        """A call that was let in does not go, and gives back what it holds: at once, or when Redis is back."""
        self._local_limits.release(request_id)
        self._reservations.discard(request_id)
        try:
            await self._scripts.release(request_id, now=now)
        except RedisUnavailable:
            self._reservations.release_later(request_id)

    async def settle(self, settlement: Settlement) -> None:
        """Let a call out. Raises RedisUnavailable; then it is charged later, and the ledger's line must be kept."""
        done = settlement.charge
        self._local_limits.release(done.id)
        self._reservations.discard(done.id)  # first: what is settled must not be held anew
        try:
            await self._scripts.settle(settlement)
        except RedisUnavailable:
            self._reservations.settle_later(settlement)
            raise
        self._reservations.record_settled(settlement)

    async def _decide(self, ask: AdmissionRequest) -> Decision:
        decision = await self._scripts.admit(ask)
        if isinstance(decision, RebuildNeeded):
            await self._rebuild.ensure()
            return await self._scripts.admit(ask)
        return decision

    def _record(self, ask: AdmissionRequest, decision: SendUpstream | JoinFlight) -> None:
        if decision.dataset_id:
            self._reservations.add(ask, spends=isinstance(decision, SendUpstream))
        if isinstance(decision, SendUpstream) and not decision.counters_valid:
            self._rebuild.schedule()

    def _without_redis(self, ask: AdmissionRequest, error: StoreError, local: str | None) -> JoinFlight | SendUpstream:
        """Calls go on within this process's share of the limits; but nobody spends a budget that cannot be seen."""
        if ask.only_stored:
            raise NotCached
        if ask.reservation.cost_nanos > 0 and any(
            scope.budget_day is not None or scope.budget_month is not None for scope in ask.reservation.scopes
        ):
            self._reservations.release_later(ask.reservation.id)  # Redis may have heard, and only its answer be missing
            raise error
        refusal = self._local_limits.reject_or_take(ask.reservation, now=ask.now, spends=local is None)
        if refusal is not None:
            self._reservations.release_later(ask.reservation.id)
            raise rejection_error(refusal, now=ask.now)
        if local is not None:
            return JoinFlight(remaining_limits=RemainingLimits(), owner=local, dataset_id="")
        return SendUpstream(remaining_limits=RemainingLimits(), claimed=ask.claim, dataset_id="")


def _error_of_decision(
    decision: NoStoredAnswer | UpstreamFull | RebuildNeeded | LimitRejection, ask: AdmissionRequest
) -> Exception:
    match decision:
        case LimitRejection():
            return rejection_error(decision, now=ask.now)
        case UpstreamFull():
            return busy_error(decision.verdict, ask.slot.deadline - ask.now)
        case NoStoredAnswer():
            return NotCached()
        case RebuildNeeded():
            return RedisUnavailable("Redis lost its memory again while the budgets were being counted.")

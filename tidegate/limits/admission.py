"""The admission controller: the pipeline admits and settles each request here, whatever state the stores are in.

It runs the Lua scripts while Redis is available. If the budget counters are not valid, it has them rebuilt first. While
Redis is away, it enforces this process's share of the limits in memory, and rejects requests that a budget limits.
"""

import asyncio
from typing import Protocol

import structlog

from tidegate.core.errors import NotCached, RedisUnavailable, StoreError
from tidegate.core.values import Limits
from tidegate.limits.budget_calendar import UTC_CALENDAR, BudgetCalendar
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
from tidegate.limits.rejections import RefusalMemory, format_usd, rejection_error
from tidegate.limits.reservations import Reservations
from tidegate.limits.scopes import CallerScopes, Reservation, ScopeMemory
from tidegate.limits.scripts import AdmissionRequest, LimitScripts, Settlement
from tidegate.queue.waiters import busy_error

_FIXED_SCOPES = 3
"""Key, project and deployment; a call that counts in more has an end user or a tag with limits."""

_log = structlog.get_logger("budgets")


class LocalFlights(Protocol):
    """The flights of this process, as admission sees them while Redis is down."""

    def local_owner(self, fingerprint: str) -> str | None:
        """Return the owner's name if this process has a flight for the answer that may be joined."""
        ...


class AdmissionController:
    """Admit, release and settle requests."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        scripts: LimitScripts,
        reservations: Reservations,
        rebuild: BudgetRebuild,
        local_limits: LocalLimits,
        *,
        global_limits: Limits,
        calendar: BudgetCalendar = UTC_CALENDAR,
        max_names: int | None = None,
    ) -> None:
        """`local_limits` are enforced while Redis is away; `global_limits` are those of the whole deployment.

        `max_names` is how many end users, and values of tags, with limits a project may name in a period.
        """
        self._scripts = scripts
        self._reservations = reservations
        self._rebuild = rebuild
        self._local_limits = local_limits
        self.scopes = ScopeMemory(global_limits)
        """The scopes that a caller's requests count in."""
        self._calendar = calendar
        self._max_names = max_names
        self.refusals = RefusalMemory()
        """By which calls can be refused before they are read."""

    def reservation(
        self, request_id: str, scopes: CallerScopes, *, now: float, tokens: int, cost_nanos: int
    ) -> Reservation:
        """Return the reservation for a request of this size; `now` in Unix seconds."""
        period = self._calendar.period(now)
        return Reservation(
            prefix=self._scripts.prefix,
            id=request_id,
            day=period.day,
            week=period.week,
            month=period.month,
            midnight=period.midnight,
            week_end=period.week_end,
            month_end=period.month_end,
            zone=self._calendar.label,
            scope_names=scopes.names,
            scopes=scopes.limiting,
            tokens=tokens,
            cost_nanos=cost_nanos,
            lease_seconds=self._reservations.lease_seconds,
            max_names=self._max_names if len(scopes.names) > _FIXED_SCOPES else None,
        )

    async def admit(
        self, request: AdmissionRequest, *, flights: LocalFlights | None = None
    ) -> CacheHit | JoinFlight | SendUpstream:
        """Admit a request. While Redis is away, it may join one of the `flights` of this process.

        A request that was a JoinFlight may be admitted again: its earlier reservation is dropped.
        Raises CallerRateLimited, RequestExceedsLimit, BudgetExceeded, BudgetReserved, QueueFull, QueueTimeout or
        NotCached; and a StoreError if a budget cannot be checked.
        """
        self._reservations.discard(request.reservation.id)
        self._local_limits.release(request.reservation.id)
        try:
            decision = await self._decide(request)
        except asyncio.CancelledError:
            self._reservations.release_later(request.reservation.id)
            raise
        except RedisUnavailable as error:
            # looked up only now: another request may have started a flight during the round trip
            local = flights.local_owner(request.fingerprint) if flights is not None and request.claim else None
            return self._without_redis(request, error, local)
        if isinstance(decision, SendUpstream | JoinFlight):
            self._record(request, decision)
            return decision
        if isinstance(decision, CacheHit):
            return decision
        if isinstance(decision, LimitRejection):
            self.refusals.note(decision, request.now)
        raise _error_of_decision(decision, request)

    async def release(self, request_id: str, *, now: float) -> None:
        """Release the reservation of an admitted request that is not sent: now, or when Redis is back."""
        self._local_limits.release(request_id)
        self._reservations.discard(request_id)
        try:
            await self._scripts.release(request_id, now=now)
        except RedisUnavailable:
            self._reservations.release_later(request_id)

    async def settle(self, settlement: Settlement) -> None:
        """Settle a request that has ended.

        Raises RedisUnavailable; then the request is charged later, and the ledger entry must be written elsewhere.
        """
        charge = settlement.charge
        self._local_limits.release(charge.id)
        self._reservations.discard(charge.id)  # before the script: a settled request must not be restored
        try:
            await self._scripts.settle(settlement)
        except RedisUnavailable:
            self._reservations.settle_later(settlement)
            raise
        self._reservations.record_settled(settlement)

    async def delete_answer(self, fingerprint: str) -> None:
        """Delete a stored answer that cannot be read. Raises RedisUnavailable."""
        await self._scripts.delete_answer(fingerprint)

    async def _decide(self, request: AdmissionRequest) -> Decision:
        decision = await self._scripts.admit(request)
        if isinstance(decision, RebuildNeeded):
            await self._rebuild.ensure()
            return await self._scripts.admit(request)
        return decision

    def _record(self, request: AdmissionRequest, decision: SendUpstream | JoinFlight) -> None:
        for budget in decision.remaining_limits.first_warned:
            _log.warning(
                "budget nearly used",
                scope=budget.scope,
                period=budget.period,
                used_percent=int(100 * budget.used_ratio),
                spent=format_usd(budget.spent),
                budget=format_usd(budget.limit),
            )
        if decision.dataset_id:
            self._reservations.add(request, spends=isinstance(decision, SendUpstream))
        if isinstance(decision, SendUpstream) and not decision.counters_valid:
            self._rebuild.schedule()

    def _without_redis(
        self, request: AdmissionRequest, error: StoreError, local_owner: str | None
    ) -> JoinFlight | SendUpstream:
        """Admit a request within this process's share of the limits, unless it has a budget: that cannot be checked."""
        if request.only_stored:
            raise NotCached
        if request.reservation.cost_nanos > 0 and any(scope.limits_money for scope in request.reservation.scopes):
            # Redis may have run the script, and only its reply be lost
            self._reservations.release_later(request.reservation.id)
            raise error
        rejection = self._local_limits.reject_or_take(request.reservation, now=request.now, spends=local_owner is None)
        if rejection is not None:
            self._reservations.release_later(request.reservation.id)
            raise rejection_error(rejection, now=request.now)
        if local_owner is not None:
            return JoinFlight(remaining_limits=RemainingLimits(), owner=local_owner, dataset_id="")
        return SendUpstream(remaining_limits=RemainingLimits(), claimed=request.claim, dataset_id="")


def _error_of_decision(
    decision: NoStoredAnswer | UpstreamFull | RebuildNeeded | LimitRejection, request: AdmissionRequest
) -> Exception:
    match decision:
        case LimitRejection():
            return rejection_error(decision, now=request.now, output_parameter=request.output_parameter)
        case UpstreamFull():
            return busy_error(decision.verdict, request.slot.deadline - request.now)
        case NoStoredAnswer():
            return NotCached()
        case RebuildNeeded():
            return RedisUnavailable(
                "Redis lost its data again while the budget counters were being rebuilt. The request was not sent."
            )

"""The door: calls go in by it and come out by it, whatever state the stores are in."""

from tidegate.admission.decision import Allowance, Decision, Go, Hit, Join, Rebuild, Refuse
from tidegate.admission.gate import Admission, Gate, Settlement
from tidegate.admission.holds import Holds
from tidegate.admission.local import LocalLimits
from tidegate.admission.recount import Recount
from tidegate.admission.refusal import error_of
from tidegate.admission.terms import Scope, Terms, period_of, scopes_of
from tidegate.core.errors import RedisUnavailable, StoreError
from tidegate.core.values import Caller, Limits


class Door:
    """What the pipeline sees of admission."""

    def __init__(self, gate: Gate, holds: Holds, recount: Recount, local: LocalLimits, *, everybody: Limits) -> None:
        """`local` keeps the limits while Redis is away; `everybody` limits the whole deployment."""
        self._gate = gate
        self._holds = holds
        self._recount = recount
        self._local = local
        self._everybody = everybody

    def scopes(self, caller: Caller, end_user: str | None) -> tuple[Scope, ...]:
        """The scopes a call counts in."""
        return scopes_of(caller, end_user, self._everybody)

    def terms(self, request_id: str, scopes: tuple[Scope, ...], *, now: float, tokens: int, nanos: int) -> Terms:
        """What a call of this size asks for; `now` in Unix seconds."""
        period = period_of(now)
        return Terms(
            p=self._gate.prefix,
            id=request_id,
            d=period.day,
            m=period.month,
            midnight=period.midnight,
            month_end=period.month_end,
            scopes=scopes,
            k=tokens,
            c=nanos,
            lease=self._holds.lease_seconds,
        )

    async def admit(self, ask: Admission, *, local: str | None = None) -> Hit | Join | Go:
        """Let a call in; `local` owns a flight to the same answer in this very process, for when Redis is away.

        Raises CallerLimited, CallTooLarge, BudgetExceeded or BudgetHeld; and a StoreError where a budget cannot be
        looked at.
        """
        try:
            decision = await self._gate.admit(ask)
            if isinstance(decision, Rebuild):
                decision = await self._admit_uncounted(ask, local)
        except RedisUnavailable as error:
            return self._without_redis(ask, error, local)
        if isinstance(decision, Refuse):
            raise error_of(decision, now=ask.now)
        if isinstance(decision, Join | Go) and decision.counted:
            self._holds.add(ask.terms.id)
        if isinstance(decision, Rebuild):
            raise RedisUnavailable("Redis lost its memory again while the budgets were being counted.")
        return decision

    async def settle(self, settlement: Settlement) -> None:
        """Let a call out. Raises RedisUnavailable; then it is charged later, and the ledger's line must be kept."""
        self._local.ended(settlement.done.id)
        try:
            await self._gate.settle(settlement)
        except RedisUnavailable:
            self._holds.settle_later(settlement)
            raise
        self._holds.discard(settlement.done.id)

    async def _admit_uncounted(self, ask: Admission, local: str | None) -> Decision:
        try:
            await self._recount.ensure()
        except StoreError as error:
            return self._without_redis(ask, error, local)
        return await self._gate.admit(ask)

    def _without_redis(self, ask: Admission, error: StoreError, local: str | None) -> Join | Go:
        """Calls go on within this process's share of the limits; but nobody spends a budget that cannot be seen."""
        if any(scope.bd is not None or scope.bm is not None for scope in ask.terms.scopes):
            raise error
        refusal = self._local.refuse_or_take(ask.terms, now=ask.now)
        if refusal is not None:
            raise error_of(refusal, now=ask.now)
        if local is not None:
            return Join(allowance=Allowance(), owner=local, counted="")
        return Go(allowance=Allowance(), claimed=ask.claim, counted="")

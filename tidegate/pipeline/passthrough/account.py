"""The ledger's entry and the charge of a call that passes through."""

import msgspec
import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable, TidegateError
from tidegate.core.errors.words import error_text
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Caller, Outcome
from tidegate.limits.admission import AdmissionController
from tidegate.limits.scopes import Charge, Reservation
from tidegate.limits.scripts import Settlement
from tidegate.metering.ledger.entries import Ledger, encode
from tidegate.metering.operation_prices import OperationCost
from tidegate.monitoring.traffic_health import TrafficHealth
from tidegate.pipeline.call_record import CallRecord

_log = structlog.get_logger("pipeline")


class OperationContext(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one call once it may be sent."""

    caller: Caller
    initial_entry: LedgerEntry
    """The call's ledger entry before anything has happened."""
    reservation: Reservation
    """What the call reserves of its caller's limits and budgets."""
    dataset_id: str
    """The Redis data set that holds the reservation; empty if there is none."""
    started_at: float
    """Seconds on the monotonic clock."""
    record: CallRecord | None


class OperationAccount:
    """Settles calls that pass through."""

    def __init__(self, *, admission: AdmissionController, ledger: Ledger, health: TrafficHealth, clock: Clock) -> None:
        self._admission = admission
        self._ledger = ledger
        self._health = health
        self._clock = clock

    async def settle(self, context: OperationContext, outcome: Outcome, cost: OperationCost) -> int:
        """Write the charge and the ledger entry of a call that ended so; return its cost in nano-dollars."""
        error = outcome.reported_error
        entry = msgspec.structs.replace(
            context.initial_entry,
            served_model=outcome.model,
            provider=outcome.provider,
            outcome="ok" if error is None else error.name,
            input_tokens=cost.usage.input,
            cached_tokens=cost.usage.cached,
            output_tokens=cost.usage.output,
            reasoning_tokens=cost.usage.reasoning,
            estimated=cost.usage.estimated or cost.is_estimated,
            cost_nanos=cost.nanos,
            fee_nanos=cost.fee_nanos,
            unpriced=cost.is_unpriced,
            latency_ms=round(1000 * (self._clock.monotonic() - context.started_at)),
            first_byte_ms=None if outcome.first_byte_seconds is None else round(1000 * outcome.first_byte_seconds),
            upstream_request_id=outcome.upstream_request_id,
            attempts=outcome.attempts if outcome.sent else 0,
            credential=outcome.credential,
            error_text=None if error is None else error_text(error),
            queue_ms=outcome.queued_ms,
        )
        if outcome.sent:
            self._health.record(error)
        if error is not None:
            _log_failure(entry, error)
        if context.record is not None:
            context.record.settle(entry, outcome)
        await self._write(context, entry)
        return entry.cost_nanos

    async def _write(self, context: OperationContext, entry: LedgerEntry) -> None:
        reservation = context.reservation
        charge = Charge(
            id=reservation.id,
            scope_names=reservation.scope_names,
            day=reservation.day,
            week=reservation.week,
            month=reservation.month,
            cost_nanos=entry.cost_nanos,
            tokens=entry.input_tokens + entry.output_tokens,
            dataset_id=context.dataset_id,
        )
        settlement = Settlement(fingerprint="", owner="", entry=encode(entry), now=self._clock.now(), charge=charge)
        try:
            await self._admission.settle(settlement)
        except RedisUnavailable:
            self._ledger.spool(settlement.entry)


def _log_failure(entry: LedgerEntry, error: TidegateError) -> None:
    detail = error.upstream_detail
    _log.warning(
        "operation failed",
        request_id=entry.id,
        error=error.name,
        route=entry.route,
        model=entry.model or None,
        project=entry.project,
        detail=error.message,
        upstream_status=detail.status if detail else None,
        upstream_code=detail.code if detail else None,
        upstream_request_id=detail.request_id if detail else None,
    )

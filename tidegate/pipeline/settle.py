"""Settles calls: the charge, the ledger entry, and the answer to store."""

import logging

import msgspec
import structlog

from tidegate.cache.erasure import end_user_digest
from tidegate.cache.memory_guard import RedisMemoryGuard
from tidegate.cache.stored import AnswerCodec, StoredAnswer
from tidegate.core.clock import Clock
from tidegate.core.config import CacheConfig
from tidegate.core.errors import ClientDisconnected, RedisUnavailable, TargetDown, TidegateError, UnfinishedAnswer
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.process.heavy_turns import with_pauses
from tidegate.core.values import NO_QUOTA, Outcome
from tidegate.limits.admission import AdmissionController
from tidegate.limits.decision import JoinFlight
from tidegate.limits.scripts import Settlement
from tidegate.metering.accountant import Accountant, hit_entry, joined_entry
from tidegate.metering.ledger.entries import Ledger
from tidegate.monitoring.traffic_health import TrafficHealth
from tidegate.pipeline.context import Claim, RequestContext, settlement_without_answer
from tidegate.wire.output_text import output_texts_in_steps

_MANY_EVENTS = 500
"""An answer of more is looked through in steps."""

_log = structlog.get_logger("pipeline")


class Settler:
    """Settle calls in Redis or, while it is down, in a file."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        admission: AdmissionController,
        accountant: Accountant,
        ledger: Ledger,
        health: TrafficHealth,
        codec: AnswerCodec,
        memory_guard: RedisMemoryGuard,
        cache: CacheConfig,
        clock: Clock,
    ) -> None:
        self._admission = admission
        self._accountant = accountant
        self._ledger = ledger
        self._health = health
        self._codec = codec
        self._memory_guard = memory_guard
        self._cache = cache
        self._clock = clock

    async def settle_call(self, context: RequestContext, claim: Claim, outcome: Outcome) -> int:
        """Settle a call that ended with this outcome; return its cost in nano-dollars."""
        seconds = self._clock.monotonic() - context.started_at
        call = context.call
        texts = None
        if len(outcome.events) > _MANY_EVENTS and self._accountant.counts_text(outcome, call.endpoint):
            texts = await with_pauses(output_texts_in_steps(call.endpoint, outcome.events))
        entry = self._accountant.upstream_entry(
            context.initial_entry, outcome, route=call.endpoint, body=call.body, seconds=seconds, texts=texts
        )
        for attempt in (*outcome.previous_attempts, outcome):
            if attempt.sent:
                self._health.record(attempt.reported_error)
            if attempt.reported_error is not None:
                _log_failure(context, attempt)
        if context.record is not None:
            context.record.settle(entry, outcome)
        if outcome.adaptations and outcome.sent:
            _log.info(
                "call adapted",
                request_id=context.id,
                target=f"{outcome.provider}/{outcome.target_model}",
                changes=list(outcome.adaptations),
            )
        await self._write(self._settlement(context, claim, outcome, entry))
        if context.observer is not None:
            context.observer.fetched(outcome)
        return entry.cost_nanos

    async def settle_semantic(self, context: RequestContext, claim: Claim, account: bytes) -> LedgerEntry:
        """Settle a call that got the answer of another question; return its ledger entry.

        `account` is stored with the answer, a JSON object.
        """
        seconds = self._clock.monotonic() - context.started_at
        entry = msgspec.structs.replace(
            hit_entry(context.initial_entry, account), cache="semantic", latency_ms=round(seconds * 1000)
        )
        await self._write(settlement_without_answer(context, claim, entry, now=self._clock.now()))
        return entry

    async def settle_joined(
        self, context: RequestContext, joined: JoinFlight, error: TidegateError | None, saved_nanos: int, served_by: str
    ) -> None:
        """Settle a call that joined a flight, as admission decided."""
        seconds = self._clock.monotonic() - context.started_at
        answer_from = joined.owner.rpartition(":")[2] or None
        initial_entry = msgspec.structs.replace(context.initial_entry, cache="joined", answer_from=answer_from)
        entry = joined_entry(initial_entry, saved_nanos=saved_nanos, served_by=served_by, error=error, seconds=seconds)
        if context.record is not None:
            context.record.settle_joined(entry)
        await self._write(
            settlement_without_answer(
                context, Claim(owner="", dataset_id=joined.dataset_id), entry, now=self._clock.now()
            )
        )

    async def _write(self, settlement: Settlement) -> None:
        try:
            await self._admission.settle(settlement)
        except RedisUnavailable:
            self._ledger.spool(settlement.entry)

    def _settlement(self, context: RequestContext, claim: Claim, outcome: Outcome, entry: LedgerEntry) -> Settlement:
        settlement = settlement_without_answer(context, claim, entry, now=self._clock.now())
        body = b"".join(outcome.events) if outcome.storable and context.cache_policy.store else b""
        quota = self._memory_guard.quota
        if not body or len(body) > self._cache.max_answer_bytes or quota == NO_QUOTA:
            return settlement
        served_by = f"{outcome.provider}/{outcome.model or outcome.target_model}"
        stored = StoredAnswer(
            stream=outcome.stream, body=body, served_by=served_by, echo=context.echo, adapted=outcome.adaptations
        )
        head, packed = self._codec.pack(stored)
        account = {
            "served_model": outcome.model,
            "provider": outcome.provider,
            "saved_nanos": entry.cost_nanos,
            "answer_from": context.id,
        }
        call = context.call
        return msgspec.structs.replace(
            settlement,
            head=head,
            body=packed,
            account=msgspec.json.encode(account),
            fresh_seconds=self._cache.ttl_seconds,
            stale_seconds=context.plan.stale_seconds,
            end_user=end_user_digest(context.caller.project, call.end_user) if call.end_user else "",
            project=context.caller.project,
            quota=quota,
            began=context.initial_entry.at,
            model=call.model,
            request_id=context.id,
        )


class JoinedCall:
    """The ledger entry of a call that joined another caller's flight. Implements `delivery.JoinEntry`."""

    def __init__(self, settler: Settler, context: RequestContext, joined: JoinFlight) -> None:
        """`joined` is what admission decided."""
        self._settler = settler
        self._context = context
        self._joined = joined

    async def write(self, error: TidegateError | None, saved_nanos: int, served_by: str) -> None:
        """Write how the call ended, what it saved in nano-dollars, and who answered; empty for an error."""
        await self._settler.settle_joined(self._context, self._joined, error, saved_nanos, served_by)


def _log_failure(context: RequestContext, attempt: Outcome) -> None:
    error = attempt.reported_error
    assert error is not None  # noqa: S101  # the caller looked
    detail = error.upstream_detail
    is_expected = isinstance(error, ClientDisconnected | TargetDown | UnfinishedAnswer)  # no fault, or it has an alert
    level = logging.INFO if is_expected else logging.WARNING
    _log.log(
        level,
        "answer without a reason to end" if isinstance(error, UnfinishedAnswer) else "upstream call failed",
        request_id=context.id,
        error=error.name,
        route=context.call.endpoint.label,
        model=context.call.model,
        target=f"{attempt.provider}/{attempt.target_model}" if attempt.target_model else None,
        rung=attempt.fallback_step,
        project=context.caller.project,
        detail=error.message,
        upstream_status=detail.status if detail else None,
        upstream_type=detail.type if detail else None,
        upstream_code=detail.code if detail else None,
        upstream_message=detail.message if detail else None,
        upstream_request_id=detail.request_id if detail else None,
        retry_after=error.retry_after,
    )

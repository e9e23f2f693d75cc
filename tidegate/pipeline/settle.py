"""What calls leave behind: the charge, the line in the ledger, the answer to be given again."""

import logging

import msgspec
import structlog

from tidegate.cache.erasure import answers_of
from tidegate.cache.memory_guard import Room
from tidegate.cache.stored import Codec, StoredAnswer
from tidegate.core.clock import Clock
from tidegate.core.config import CacheConfig
from tidegate.core.errors import ClientGone, RedisUnavailable, TargetDown, TidegateError
from tidegate.core.values import LedgerEntry, Outcome
from tidegate.limits.admission import Door
from tidegate.limits.scripts import Settlement
from tidegate.metering.accountant import Accountant, joined
from tidegate.metering.ledger.entries import Ledger
from tidegate.monitoring.traffic_health import UpstreamHealth
from tidegate.pipeline.context import Claim, Ticket, plain_settlement

_log = structlog.get_logger("pipeline")


class Settling:
    """Settles calls, through Redis or, while it is away, into a file."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        door: Door,
        accountant: Accountant,
        ledger: Ledger,
        health: UpstreamHealth,
        codec: Codec,
        room: Room,
        cache: CacheConfig,
        clock: Clock,
    ) -> None:
        self._door = door
        self._accountant = accountant
        self._ledger = ledger
        self._health = health
        self._codec = codec
        self._room = room
        self._cache = cache
        self._clock = clock

    def check(self) -> None:
        """Whether another call could be accounted for. Raises LedgerFull."""
        self._ledger.check()

    async def asked(self, ticket: Ticket, claim: Claim, outcome: Outcome) -> int:
        """A call that was asked upstream has ended so; returns its cost, nano-dollars."""
        seconds = self._clock.monotonic() - ticket.started
        call = ticket.call
        entry = self._accountant.settled(ticket.opened, outcome, route=call.route, body=call.body, seconds=seconds)
        for attempt in (*outcome.before, outcome):
            if attempt.sent:
                self._health.note(attempt.reported)
            if attempt.reported is not None:
                _log_failure(ticket, attempt)
        if outcome.adapted and outcome.sent:
            _log.info(
                "call adapted",
                request_id=ticket.id,
                target=f"{outcome.provider}/{outcome.target}",
                changes=list(outcome.adapted),
            )
        await self._leave(self._settlement(ticket, claim, outcome, entry))
        return entry.cost_nanos

    async def joined(self, ticket: Ticket, memory: str, error: TidegateError | None, saved_nanos: int) -> None:
        """A call that another's answered has ended so; `memory` is what it was given on its way in."""
        seconds = self._clock.monotonic() - ticket.started
        opened = msgspec.structs.replace(ticket.opened, cache="joined")
        entry = joined(opened, saved_nanos=saved_nanos, error=error, seconds=seconds)
        await self._leave(plain_settlement(ticket, Claim(owner="", memory=memory), entry, now=self._clock.now()))

    async def _leave(self, settlement: Settlement) -> None:
        try:
            await self._door.settle(settlement)
        except RedisUnavailable:
            self._ledger.spool(settlement.entry)

    def _settlement(self, ticket: Ticket, claim: Claim, outcome: Outcome, entry: LedgerEntry) -> Settlement:
        plain = plain_settlement(ticket, claim, entry, now=self._clock.now())
        body = b"".join(outcome.events) if outcome.storable and ticket.policy.store else b""
        if not body or len(body) > self._cache.max_answer_bytes:
            return plain
        served_by = f"{outcome.provider}/{outcome.model or outcome.target}"
        stored = StoredAnswer(
            stream=outcome.stream, body=body, served_by=served_by, echo=ticket.echo, adapted=outcome.adapted
        )
        head, packed = self._codec.pack(stored)
        account = {"served_model": outcome.model, "provider": outcome.provider, "saved_nanos": entry.cost_nanos}
        call = ticket.call
        return msgspec.structs.replace(
            plain,
            head=head,
            body=packed,
            account=msgspec.json.encode(account),
            keep_seconds=self._cache.ttl_seconds,
            stale_seconds=ticket.plan.stale_for if self._room.for_stale else 0.0,
            answers_of=answers_of(ticket.caller.project, call.end_user) if call.end_user else "",
        )


def _log_failure(ticket: Ticket, attempt: Outcome) -> None:
    error = attempt.reported
    assert error is not None  # noqa: S101  # the caller looked
    words = error.words
    told_already = isinstance(
        error, ClientGone | TargetDown
    )  # the one's leaving is no fault, the other's has its alert
    level = logging.INFO if told_already else logging.WARNING
    _log.log(
        level,
        "upstream call failed",
        request_id=ticket.id,
        error=error.name,
        route=ticket.call.route.label,
        model=ticket.call.model,
        target=f"{attempt.provider}/{attempt.target}" if attempt.target else None,
        rung=attempt.rung,
        project=ticket.caller.project,
        detail=error.message,
        upstream_status=words.status if words else None,
        upstream_type=words.type if words else None,
        upstream_code=words.code if words else None,
        upstream_message=words.message if words else None,
        upstream_request_id=words.request_id if words else None,
        retry_after=error.retry_after,
    )

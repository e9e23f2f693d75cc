"""A call's line in the ledger, from how it began and how it ended."""

from typing import Any

import msgspec

from tidegate.core.errors import (
    AnswerTooLarge,
    ClientGone,
    FirstByteTimeout,
    MalformedAnswer,
    StreamIdle,
    TidegateError,
    TotalTimeout,
    TruncatedStream,
)
from tidegate.core.values import LedgerEntry, Outcome, Route, Usage
from tidegate.metering.estimate import estimate
from tidegate.metering.prices import Prices
from tidegate.metering.tokens import from_wire
from tidegate.wire.spoken import spoken

_LEFT_OFF = (
    AnswerTooLarge,
    ClientGone,
    FirstByteTimeout,
    MalformedAnswer,
    StreamIdle,
    TotalTimeout,
    TruncatedStream,
)
"""Ends that are no refusal: the upstream had the call, and may have read it and written more than arrived."""


class Accountant:
    """Turns outcomes into money."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    def settled(
        self, opened: LedgerEntry, outcome: Outcome, *, route: Route, body: dict[str, Any], seconds: float
    ) -> LedgerEntry:
        """The line of a call that asked the upstream; `seconds` is how long it took."""
        free = route is Route.MODERATIONS
        used, cost_nanos = Usage(), 0
        for attempt in (*outcome.before, outcome):
            usage = self._usage(opened.model, attempt, route, body)
            used = used.plus(usage)
            if not free:
                model = attempt.model or attempt.target or opened.model
                target = f"{attempt.provider}/{attempt.target}" if attempt.target else ""
                cost_nanos += self._prices.cost(model, usage, at=opened.at, tier=attempt.tier, target=target)
        first = outcome.first_byte_seconds
        return msgspec.structs.replace(
            opened,
            served_model=outcome.model,
            provider=outcome.provider or opened.provider,
            outcome=outcome.reported.name if outcome.reported else "ok",
            cache="stale" if outcome.rung == "stale" else opened.cache,
            input_tokens=used.input,
            cached_tokens=used.cached,
            output_tokens=used.output,
            reasoning_tokens=used.reasoning,
            estimated=used.estimated,
            cost_nanos=cost_nanos,
            latency_ms=round(seconds * 1000),
            first_byte_ms=None if first is None else round(first * 1000),
            upstream_request_id=outcome.upstream_request_id,
            attempts=outcome.attempts,
            rung=outcome.rung,
        )

    def _usage(self, model: str, outcome: Outcome, route: Route, body: dict[str, Any]) -> Usage:
        """The upstream's own figure; else an estimate, wherever the upstream may have worked and so may charge.

        What it refused, with an error of its own before the first word, it does not charge.
        """
        if outcome.usage is not None:
            return from_wire(outcome.usage)
        if route is Route.MODERATIONS or not outcome.sent:
            return Usage()
        texts = spoken(route, outcome.events)
        taken = outcome.error is None or isinstance(outcome.error, _LEFT_OFF)
        return estimate(route, model, body, texts) if texts or taken else Usage()


def joined(opened: LedgerEntry, *, saved_nanos: int, error: TidegateError | None, seconds: float) -> LedgerEntry:
    """The line of a call that was given another's answer."""
    return msgspec.structs.replace(
        opened,
        outcome=error.name if error else "ok",
        saved_nanos=saved_nanos,
        latency_ms=round(seconds * 1000),
    )

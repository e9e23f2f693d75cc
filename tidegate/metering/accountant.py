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
        model = outcome.model or opened.model
        usage = self._usage(opened.model, outcome, route, body)
        free = route is Route.MODERATIONS
        first = outcome.first_byte_seconds
        return msgspec.structs.replace(
            opened,
            served_model=outcome.model,
            outcome=outcome.reported.name if outcome.reported else "ok",
            input_tokens=usage.input,
            cached_tokens=usage.cached,
            output_tokens=usage.output,
            reasoning_tokens=usage.reasoning,
            estimated=usage.estimated,
            cost_nanos=0 if free else self._prices.cost(model, usage, at=opened.at, tier=outcome.tier),
            latency_ms=round(seconds * 1000),
            first_byte_ms=None if first is None else round(first * 1000),
            upstream_request_id=outcome.upstream_request_id,
        )

    def _usage(self, model: str, outcome: Outcome, route: Route, body: dict[str, Any]) -> Usage:
        """The upstream's own figure; else an estimate, wherever the upstream may have worked and so may charge.

        What it refused, with an error of its own before the first word, it does not charge.
        """
        if outcome.usage is not None:
            return from_wire(outcome.usage)
        if route is Route.MODERATIONS:
            return Usage()
        texts = spoken(route, outcome.events)
        taken = outcome.error is None or (outcome.sent and isinstance(outcome.error, _LEFT_OFF))
        return estimate(route, model, body, texts) if texts or taken else Usage()


def joined(opened: LedgerEntry, *, saved_nanos: int, error: TidegateError | None, seconds: float) -> LedgerEntry:
    """The line of a call that was given another's answer."""
    return msgspec.structs.replace(
        opened,
        outcome=error.name if error else "ok",
        saved_nanos=saved_nanos,
        latency_ms=round(seconds * 1000),
    )

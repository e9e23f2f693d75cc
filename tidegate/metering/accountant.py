"""Makes ledger entries from the outcomes of calls. Called by the pipeline when it settles a call."""

from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import TidegateError
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Outcome, Usage
from tidegate.metering.estimate import estimate
from tidegate.metering.prices import Prices
from tidegate.metering.tokens import MAX_TOKENS, from_wire
from tidegate.metering.unseen_output import unseen_output
from tidegate.wire.output_text import output_texts

_PRIORITY = "priority"
"""The most expensive service tier.

A caller who asked for it is charged for it, unless the answer states another tier.
"""


class Accountant:
    """Turn outcomes into ledger entries."""

    def __init__(self, prices: Prices, *, tokens_per_second: int) -> None:
        """`tokens_per_second` is the most that an upstream writes while the gateway sees nothing of it."""
        self._prices = prices
        self._tokens_per_second = tokens_per_second

    def upstream_entry(
        self, initial_entry: LedgerEntry, outcome: Outcome, *, route: Endpoint, body: dict[str, Any], seconds: float
    ) -> LedgerEntry:
        """Return the entry of a call that was sent upstream; `seconds` is its duration."""
        free = route.free
        used, cost_nanos = Usage(), 0
        for attempt in (*outcome.previous_attempts, outcome):
            usage = self._usage(initial_entry.model, attempt, route, body)
            used = used.plus(usage)
            if not free:
                model = attempt.model or attempt.target_model or initial_entry.model
                target = f"{attempt.provider}/{attempt.target_model}" if attempt.target_model else ""
                tier = attempt.service_tier or (
                    _PRIORITY if usage.estimated and body.get("service_tier") == _PRIORITY else None
                )
                cost_nanos += self._prices.cost(model, usage, at=initial_entry.at, tier=tier, target=target)
        first = outcome.first_byte_seconds
        return msgspec.structs.replace(
            initial_entry,
            served_model=outcome.model,
            provider=outcome.provider or initial_entry.provider,
            outcome=outcome.reported_error.name if outcome.reported_error else "ok",
            cache="stale" if outcome.fallback_step == "stale" else initial_entry.cache,
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
            fallback_step=outcome.fallback_step,
        )

    def _usage(self, model: str, outcome: Outcome, route: Endpoint, body: dict[str, Any]) -> Usage:
        """Return the upstream's own figure, else an estimate that includes the most it may have written unseen.

        The upstream does not charge for a request that it refused before the first word. A figure without input, or an
        absurdly high one, is ignored. The figure of an answer that was cut off may be incomplete.
        """
        if route.free or not outcome.sent:
            return Usage()
        stated = Usage() if outcome.usage is None else from_wire(outcome.usage)
        if MAX_TOKENS in (stated.input, stated.output):
            stated = Usage()
        if stated.input and outcome.error is None:
            return stated
        texts = output_texts(route, outcome.events)
        if not texts and not outcome.may_be_charged:
            return stated
        counted = estimate(route, model, body, texts)
        if stated.input and stated.output >= counted.output:
            return stated
        target = outcome.target_model or model
        unseen = unseen_output(
            outcome,
            texts,
            counted.output,
            route=route,
            model=target,
            body=body,
            tokens_per_second=self._tokens_per_second,
        )
        return msgspec.structs.replace(
            counted,
            input=max(counted.input, stated.input),
            output=max(counted.output + unseen, stated.output),
        )


def joined_entry(
    initial_entry: LedgerEntry, *, saved_nanos: int, error: TidegateError | None, seconds: float
) -> LedgerEntry:
    """Return the entry of a call that got its answer from another call."""
    return msgspec.structs.replace(
        initial_entry,
        outcome=error.name if error else "ok",
        saved_nanos=saved_nanos,
        latency_ms=round(seconds * 1000),
    )

"""Decides which output limit is sent for a call that states none, where its caller's money is limited.

Without a limit a call must hold the price of all that its model can write, for an answer of a few words. The pipeline
asks here before it computes the hold, and sends the limit upstream, so that the hold is true.
"""

from collections.abc import Mapping, Sequence

import msgspec

from tidegate.core.values import Usage
from tidegate.metering.max_cost import choice_count, listed_output_limit, model_output_limit, requested_output_limit
from tidegate.metering.prices import Prices
from tidegate.wire.call import Call

_MANY = 1_000_000
_LEAST_TOKENS = 256
"""A shorter answer is of no use: the call is rejected for its budget instead."""
_MOST_FOR_UNKNOWN_MODEL = 4096
"""A server refuses a limit above the model's own, which is not known here."""
_BYTES_PER_TOKEN = 4


class OutputAssumption(msgspec.Struct, frozen=True, kw_only=True):
    """What is assumed of the output where a caller states nothing."""

    tokens: int | None = None
    """The limit; None: what `share` of the budget pays."""
    share: float
    """The share of the smallest budget that the output of one call may cost."""


def assumed_output(
    call: Call,
    prices: Prices,
    *,
    at: float,
    targets_by_model: Mapping[str, Sequence[str]],
    budget_nanos: int,
    assumption: OutputAssumption,
) -> int | None:
    """Return the output limit to send, in tokens for each choice; None where the call needs none.

    It needs none if it states one, or if the budget pays as much as the model can write. `budget_nanos` is the smallest
    budget that it counts in. A limit that the budget decides is a power of two: callers with similar budgets then share
    stored answers, which belong to one limit.
    """
    if not call.endpoint.writes or requested_output_limit(call.endpoint, call.body) is not None:
        return None
    stated, share_nanos = assumption.tokens, int(budget_nanos * assumption.share)
    needed = [
        limit
        for model, targets in targets_by_model.items()
        if (limit := stated or _affordable(call, prices, model, targets, at=at, nanos=share_nanos))
        and limit < model_output_limit(model)
    ]
    listed = [limit for model in targets_by_model if (limit := listed_output_limit(model)) is not None]
    return min(needed + listed) if needed else None


def _affordable(call: Call, prices: Prices, model: str, targets: Sequence[str], *, at: float, nanos: int) -> int | None:
    """Return the limit that `nanos` pay; None where the output is free, or the model writes no more than they pay."""
    tier = call.body.get("service_tier")
    tier = tier if isinstance(tier, str) else None
    size = call.size // _BYTES_PER_TOKEN + 1
    read, written = (
        prices.max_cost(model, Usage(input=size, output=output), at=at, tier=tier, targets=targets)
        for output in (0, _MANY)
    )
    if written == read:  # the output is free
        return None
    affordable = nanos * _MANY // ((written - read) * choice_count(call.body))
    if affordable >= model_output_limit(model):
        return None
    tokens = max(_LEAST_TOKENS, 1 << affordable.bit_length() - 1) if affordable else _LEAST_TOKENS
    return tokens if listed_output_limit(model) is not None else min(tokens, _MOST_FOR_UNKNOWN_MODEL)

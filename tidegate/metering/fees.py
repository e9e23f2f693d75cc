"""What the use of hosted tools costs: searches, containers, images. Called for reservations and by the accountant."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.values import Outcome
from tidegate.metering.prices import Prices
from tidegate.wire.call import Call
from tidegate.wire.charges.hosted_tools import (
    IMAGE_TOOL,
    NO_TOOL_USE,
    TOOL_CALL_LIMIT,
    PaidTools,
    ToolUse,
    paid_tools,
    tool_use,
)


class ToolFees(msgspec.Struct, frozen=True, kw_only=True):
    """The fees of one call."""

    nanos: int = 0
    unpriced: tuple[str, ...] = ()
    """Tools without a known price, whose use is not in `nanos`."""


NO_FEES = ToolFees()


def tool_fees(  # noqa: PLR0913  # all that is known of the answer
    prices: Prices, outcome: Outcome, *, route: Endpoint, model: str, target: str, body: Mapping[str, Any], at: float
) -> ToolFees:
    """Return the fees for the tools that an answer used, complete or cut off.

    `model` is the model that answered, `target` the target that was called, `at` the moment in Unix seconds. An answer
    in one piece that did not arrive may have used all the tools that it was offered.
    """
    if outcome.error is not None and not outcome.stream and outcome.may_be_charged:
        return max_tool_fees(prices, route, model, body, targets=(target,), seconds=outcome.seconds)
    use = tool_use(
        route, outcome.target_model or model, body, events=outcome.events, usage=outcome.usage, seconds=outcome.seconds
    )
    return NO_FEES if use is NO_TOOL_USE else _fees_of(prices, use, model=model, target=target, at=at)


def _fees_of(prices: Prices, use: ToolUse, *, model: str, target: str, at: float) -> ToolFees:
    """Return the fees; images are charged by their tokens where these are stated and priced."""
    nanos = prices.cost(use.image_model, use.image_usage, at=at) if use.image_model else 0
    unpriced = [use.image_model] if use.image_model and not prices.knows(use.image_model) else []
    for tool, count in use.counts.items():
        if tool == IMAGE_TOOL and use.image_model and not unpriced:
            continue
        fee = prices.fee(tool, model, target=target) if count else 0
        if fee is None:
            unpriced.append(tool)
        else:
            nanos += count * fee
    return ToolFees(nanos=nanos, unpriced=tuple(unpriced))


def max_tool_fees(
    prices: Prices,
    route: Endpoint,
    model: str,
    body: Mapping[str, Any],
    *,
    targets: Collection[str],
    seconds: float | None,
) -> ToolFees:
    """Return the most that the hosted tools of a call may cost, whichever of the `targets` answers.

    Each call of a tool may be one of the dearest, and an answer has as many as the request allows. In `seconds`, where
    they are known, it has at most one call a second and one more.
    """
    offered = paid_tools(route, model, body)
    if not offered.per_call and not offered.once:
        return NO_FEES
    limit = tool_call_limit(body)
    calls = prices.assumed_tool_calls if limit is None else limit
    calls = calls if seconds is None else min(calls, 1 + int(seconds))
    found = [_max_fees(offered, prices, model, target, calls) for target in targets]
    unpriced = {tool for fees in found for tool in fees.unpriced}
    return ToolFees(nanos=max(fees.nanos for fees in found), unpriced=tuple(sorted(unpriced)))


def _max_fees(offered: PaidTools, prices: Prices, model: str, target: str, calls: int) -> ToolFees:
    fees = {tool: prices.fee(tool, model, target=target) for tool in (*offered.per_call, *offered.once)}
    dearest = max((fees[tool] or 0 for tool in offered.per_call), default=0)
    once = max((fees[tool] or 0 for tool in offered.once), default=0)
    unpriced = tuple(tool for tool, fee in fees.items() if fee is None)
    return ToolFees(nanos=calls * dearest + once, unpriced=unpriced)


def needs_tool_call_limit(call: Call) -> bool:
    """Return whether a call offers tools that are charged for each call, and states no limit of calls."""
    return bool(paid_tools(call.endpoint, call.model, call.body).per_call) and tool_call_limit(call.body) is None


def tool_call_limit(body: Mapping[str, Any]) -> int | None:
    """Return the most calls of hosted tools that a request allows; None where it states no limit."""
    stated = body.get(TOOL_CALL_LIMIT)
    return stated if isinstance(stated, int) and not isinstance(stated, bool) and stated >= 0 else None

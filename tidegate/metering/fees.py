"""What the use of hosted tools costs: searches, containers, images. Called for reservations and by the accountant."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.values import Outcome, Usage
from tidegate.metering.image_tokens import max_image_usage
from tidegate.metering.prices import Prices
from tidegate.wire.call import Call
from tidegate.wire.charges.hosted_tools import (
    NO_TOOL_USE,
    TOOL_CALL_LIMIT,
    PaidTools,
    ToolUse,
    paid_tools,
    tool_use,
)
from tidegate.wire.charges.images import IMAGE_TOOL, ImageRequest, input_image_count


class ToolFees(msgspec.Struct, frozen=True, kw_only=True):
    """The fees of one call."""

    nanos: int = 0
    unpriced: tuple[str, ...] = ()
    """Tools without a known price, whose use is not in `nanos`."""


NO_FEES = ToolFees()


def tool_fees(  # noqa: PLR0913  # all that is known of the answer
    prices: Prices,
    outcome: Outcome,
    *,
    route: Endpoint,
    model: str,
    target: str,
    body: Mapping[str, Any],
    at: float,
    input_tokens: int,
) -> ToolFees:
    """Return the fees for the tools that an answer used, complete or cut off.

    `model` is the model that answered, `target` the target that was called, `at` the moment in Unix seconds,
    `input_tokens` the input that is charged. An answer in one piece that did not arrive may have used all the tools
    that it was offered.
    """
    if outcome.error is not None and not outcome.stream and outcome.may_be_charged:
        return max_tool_fees(
            prices, route, model, body, targets=(target,), seconds=outcome.seconds, at=at, input_tokens=input_tokens
        )
    use = tool_use(
        route, outcome.target_model or model, body, events=outcome.events, usage=outcome.usage, seconds=outcome.seconds
    )
    if use is NO_TOOL_USE:
        return NO_FEES
    made = NO_FEES
    if use.image_model or use.images:
        made = _image_fees(prices, use, _ImageContext.of(body, at, input_tokens), model=model, target=target)
    return _fees_of(prices, use, made, model=model, target=target)


def _fees_of(prices: Prices, use: ToolUse, made: ToolFees, *, model: str, target: str) -> ToolFees:
    """Return the fees of all tools; `made` are those of the images."""
    nanos, unpriced = made.nanos, list(made.unpriced)
    for tool, count in use.counts.items():
        if tool == IMAGE_TOOL:
            continue
        fee = prices.fee(tool, model, target=target) if count else 0
        if fee is None:
            unpriced.append(tool)
        else:
            nanos += count * fee
    return ToolFees(nanos=nanos, unpriced=tuple(unpriced))


class _ImageContext(msgspec.Struct, frozen=True):
    """What the image model of a call may read, and when."""

    at: float
    input_tokens: int
    input_images: int

    @classmethod
    def of(cls, body: Mapping[str, Any], at: float, input_tokens: int) -> "_ImageContext":
        return cls(at, input_tokens, input_image_count(body))

    def usage(self, request: ImageRequest) -> Usage:
        return max_image_usage(request, input_tokens=self.input_tokens, input_images=self.input_images)


def _image_fees(prices: Prices, use: ToolUse, context: _ImageContext, *, model: str, target: str) -> ToolFees:
    """Return the fees of images: by their stated tokens, else by the configured fee, else by their size and quality."""
    if use.image_model and prices.has_price(use.image_model):
        known = prices.knows(use.image_model)
        nanos = prices.cost(use.image_model, use.image_usage, at=context.at)
        return ToolFees(nanos=nanos, unpriced=() if known else (use.image_model,))
    count = use.counts.get(IMAGE_TOOL, 0)
    unpriced = (use.image_model,) if use.image_model else ()
    if not count:
        return ToolFees(unpriced=unpriced)
    fee = prices.fee(IMAGE_TOOL, model, target=target)
    if fee is not None:
        return ToolFees(nanos=count * fee, unpriced=unpriced)
    if not use.images or any(not prices.has_price(image.model) for image in use.images):
        return ToolFees(unpriced=unpriced or (IMAGE_TOOL,))
    return ToolFees(
        nanos=sum(prices.cost(image.model, context.usage(image), at=context.at) for image in use.images),
        unpriced=tuple({image.model for image in use.images if not prices.knows(image.model)}),
    )


def max_tool_fees(  # noqa: PLR0913  # all that limits the use
    prices: Prices,
    route: Endpoint,
    model: str,
    body: Mapping[str, Any],
    *,
    targets: Collection[str],
    seconds: float | None,
    at: float,
    input_tokens: int,
) -> ToolFees:
    """Return the most that the hosted tools of a call may cost, whichever of the `targets` answers.

    Each call of a tool may be one of the dearest, and an answer has as many as the request allows. In `seconds`, where
    they are known, it has at most one call a second and one more. `at` (Unix seconds) selects among prices, and
    `input_tokens` is the size of the request.
    """
    offered = paid_tools(route, model, body)
    if not offered.per_call and not offered.once:
        return NO_FEES
    limit = tool_call_limit(body)
    calls = prices.assumed_tool_calls if limit is None else limit
    calls = calls if seconds is None else min(calls, 1 + int(seconds))
    image = _max_image_fee(offered, prices, _ImageContext.of(body, at, input_tokens)) if offered.images else None
    found = [_max_fees(offered, prices, model, target, calls, image) for target in targets]
    unpriced = {tool for fees in found for tool in fees.unpriced}
    return ToolFees(nanos=max(fees.nanos for fees in found), unpriced=tuple(sorted(unpriced)))


def _max_image_fee(offered: PaidTools, prices: Prices, context: _ImageContext) -> int | None:
    """Return the most that one image may cost by its tokens; None where a model has no price."""
    if any(not prices.has_price(image.model) for image in offered.images):
        return None
    return max(prices.cost(image.model, context.usage(image), at=context.at) for image in offered.images)


def _max_fees(  # what is offered, and where
    offered: PaidTools, prices: Prices, model: str, target: str, calls: int, image: int | None
) -> ToolFees:
    fees = {tool: prices.fee(tool, model, target=target) for tool in (*offered.per_call, *offered.once)}
    if image is not None:
        fees[IMAGE_TOOL] = max(image, fees[IMAGE_TOOL] or 0)
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

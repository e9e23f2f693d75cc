"""Computes the most that a call may cost before it is sent. Called by the pipeline to reserve budget."""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import PriceUnknown
from tidegate.core.values import Usage
from tidegate.metering import max_input_estimate
from tidegate.metering.estimate import estimate
from tidegate.metering.fees import max_tool_fees
from tidegate.metering.prices import Prices
from tidegate.wire.call import Call
from tidegate.wire.charges.usage import MAX_TOKENS

_OUTPUT_LIMITS = (
    ("gpt-5-chat", 16_384),
    ("gpt-5", 128_000),
    ("gpt-4.1", 32_768),
    ("gpt-4o-2024-05-13", 4_096),
    ("chatgpt-4o", 16_384),
    ("gpt-4o", 16_384),
    ("gpt-4-32k", 8_192),
    ("gpt-4-turbo", 4_096),
    ("gpt-4-1106", 4_096),
    ("gpt-4-0125", 4_096),
    ("gpt-4", 8_192),
    ("gpt-3.5", 4_096),
    ("o1-mini", 65_536),
    ("o1-preview", 32_768),
    ("computer-use", 1_024),
)
"""The most tokens that a model writes (OpenAI, "Models"), by the beginning of its name. The first match counts."""
_DEFAULT_OUTPUT_LIMIT = 128_000
_TYPICAL_OUTPUT = 256
"""Tokens assumed for an answer without a stated limit, where only a rate limit is at stake."""
_BYTES_PER_TOKEN = 4
_ABOVE_LIMIT = 16
"""Tokens by which an answer's framing may exceed its stated limit."""
_FILE = re.compile(rb";base64,")
_MAX_CHOICES = 128
_LARGE = 64 * 1024
"""Bytes. In a larger call, images are searched for before its size is taken for that of a text."""


class MaxCost(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The amounts to reserve for a call."""

    tokens: int
    """The likely number of tokens, for limits per minute."""
    nanos: int
    """The most that it can cost in nano-dollars, if it is sent once."""
    unpriced: tuple[str, ...] = ()
    """Targets and hosted tools without a price, whose cost is not in `nanos`."""


def max_cost(call: Call, prices: Prices, *, at: float, exact: bool, targets: Collection[str] = ("",)) -> MaxCost:
    """Return the amounts to reserve, whichever of the `targets` (`provider/model`) answers.

    `exact` counts tokens, which takes time; it is needed only where money or tokens are limited.
    """
    quick = call.size // _BYTES_PER_TOKEN + 1
    counts = exact or (call.size > _LARGE and _has_files(call))
    likely = estimate(call.endpoint, call.model, call.body, ()).input if counts else quick
    input_tokens = max_input_estimate.max_input_tokens(call, likely) if exact else likely
    body = call.body
    stated_limit, choices_count = requested_output_limit(call.endpoint, body), choice_count(body) if "n" in body else 1
    max_output = _max_output_per_choice(call.model, stated_limit) * choices_count if call.endpoint.writes else 0
    predicted = _prediction_tokens(call) if "prediction" in body else 0
    unstated = stated_limit is None or call.assumed_output is not None
    likely_output = min(max_output, (_TYPICAL_OUTPUT if unstated else stated_limit or 0) * choices_count)
    tier = body.get("service_tier")
    tier = tier if isinstance(tier, str) else None
    tokens = likely + likely_output + 1
    if call.endpoint.free:
        return MaxCost(tokens=tokens, nanos=0)
    fees = max_tool_fees(
        prices, call.endpoint, call.model, body, targets=targets, seconds=None, at=at, input_tokens=likely
    )
    usage = Usage(input=input_tokens, output=max_output + predicted)
    nanos = fees.nanos + prices.max_cost(call.model, usage, at=at, tier=tier, targets=targets)
    return MaxCost(tokens=tokens, nanos=nanos, unpriced=prices.unpriced(call.model, tuple(targets)) + fees.unpriced)


def price_unknown(names: Collection[str]) -> PriceUnknown:
    """Return the error for a call under a budget whose `names`, targets and hosted tools, have no price."""
    name = min(names, key=lambda each: "/" not in each)
    where = f'metering.prices."{name}"' if "/" in name else f"metering.tool_prices.{name}"
    default = " or metering.unknown_model_price" if "/" in name else ""
    return PriceUnknown(
        f"The price of `{name}` is not known, and a budget applies, so the request was not sent. "
        f"Use another one, or have its price configured: {where}{default}.",
        param="model" if "/" in name else "tools",
    )


def max_output_tokens(route: Endpoint, model: str, body: Mapping[str, Any]) -> int:
    """Return the most tokens that all choices of an answer may have."""
    if not route.writes:
        return 0
    return _max_output_per_choice(model, requested_output_limit(route, body)) * choice_count(body)


@lru_cache(maxsize=1024)
def _max_output_per_choice(model: str, stated: int | None) -> int:
    if stated is None:
        return model_output_limit(model)
    stated_maximum, model_limit = stated + _ABOVE_LIMIT, listed_output_limit(model)
    return stated_maximum if model_limit is None else min(stated_maximum, model_limit)


def requested_output_limit(route: Endpoint, body: Mapping[str, Any]) -> int | None:
    """Return the output limit that a call states; None where there is none."""
    largest = None
    for name in route.output_caps:
        if name in body and (count := _count(body[name])) is not None and (largest is None or count > largest):
            largest = count
    return largest


def choice_count(body: Mapping[str, Any]) -> int:
    """Return the number of answers that a call asks for."""
    return min(_count(body.get("n")) or 1, _MAX_CHOICES)


def model_output_limit(model: str) -> int:
    """Return the most tokens that a model writes; a generous figure for an unknown model."""
    return listed_output_limit(model) or _DEFAULT_OUTPUT_LIMIT


@lru_cache(maxsize=1024)
def listed_output_limit(model: str) -> int | None:
    """Return the most tokens that a model writes; None for an unknown model."""
    name = max_input_estimate.base_model(model)
    return next((tokens for prefix, tokens in _OUTPUT_LIMITS if name.startswith(prefix)), None)


def _prediction_tokens(call: Call) -> int:
    """Return the tokens of a predicted output: rejected ones are charged like output."""
    predicted = call.body.get("prediction")
    return estimate(call.endpoint, call.model, {"input": predicted}, ()).input if predicted else 0


def _has_files(call: Call) -> bool:
    """Return whether the call has images or files, whose bytes are no text."""
    return any(_FILE.search(value) for value in call.raw.values())


def _count(value: object) -> int | None:
    """Return a whole number above 0, which may be written as 3.0; else None."""
    if not value or isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or value < 1:
        return None
    return int(min(value, MAX_TOKENS))

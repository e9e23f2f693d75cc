"""The most that a call may cost, told before it is made."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.values import Usage
from tidegate.metering import max_input_estimate
from tidegate.metering.estimate import estimate
from tidegate.metering.prices import Prices
from tidegate.metering.tokens import MAX_TOKENS
from tidegate.wire.call import Call

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
"""Tokens a model writes at most (OpenAI, "Models", by the beginning of the name); the first that fits."""
_DEFAULT_OUTPUT_LIMIT = 128_000
_TYPICAL_OUTPUT = 256
"""Tokens that an answer without a stated limit is taken to have, where only a rate is at stake."""
_BYTES_PER_TOKEN = 4
_ABOVE_LIMIT = 16
"""Tokens that an answer's framing may take beyond its stated limit."""
_MAX_CHOICES = 128
_LARGE = 64 * 1024
"""Bytes; a call beyond is looked into for images before its size is taken for that of a text."""


class MaxCost(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What to set aside for a call."""

    tokens: int
    """Its likely size, for limits a minute."""
    nanos: int
    """The most it can cost, nano-dollars, if it is sent once."""


def max_cost(call: Call, prices: Prices, *, at: float, exact: bool, targets: Collection[str] = ("",)) -> MaxCost:
    """What to set aside, whichever of the `targets` (`provider/model`) answers.

    Counting tokens `exact`ly costs time, and is for where money or tokens are limited.
    """
    quick = call.size // _BYTES_PER_TOKEN + 1
    counts = exact or (call.size > _LARGE and _has_files(call))
    likely = estimate(call.endpoint, call.model, call.body, ()).input if counts else quick
    asked = max_input_estimate.max_input_tokens(call, likely) if exact else likely
    stated, choices = requested_output_limit(call.endpoint, call.body), choice_count(call.body)
    most = _max_output_per_choice(call.endpoint, call.model, stated) * choices
    usage = Usage(input=asked, output=most + _prediction_tokens(call))
    spoken = min(most, (_TYPICAL_OUTPUT if stated is None else stated) * choices)
    tier = call.body.get("service_tier")
    tier = tier if isinstance(tier, str) else None
    free = call.endpoint.free
    nanos = 0 if free else prices.max_cost(call.model, usage, at=at, tier=tier, targets=targets)
    return MaxCost(tokens=likely + spoken + 1, nanos=nanos)


def max_output_tokens(route: Endpoint, model: str, body: Mapping[str, Any]) -> int:
    """Tokens that all choices of an answer may have."""
    return _max_output_per_choice(route, model, requested_output_limit(route, body)) * choice_count(body)


def _max_output_per_choice(route: Endpoint, model: str, stated: int | None) -> int:
    if not route.writes:
        return 0
    if stated is None:
        return model_output_limit(model)
    most, known = stated + _ABOVE_LIMIT, _listed_output_limit(model)
    return most if known is None else min(most, known)


def requested_output_limit(route: Endpoint, body: Mapping[str, Any]) -> int | None:
    """The limit that a call states; None where there is none."""
    stated = [count for name in route.output_caps if (count := _count(body.get(name))) is not None]
    return max(stated) if stated else None


def choice_count(body: Mapping[str, Any]) -> int:
    """How many answers a call asks for."""
    return min(_count(body.get("n")) or 1, _MAX_CHOICES)


def model_output_limit(model: str) -> int:
    """Tokens that a model writes at most; a generous figure where it is not known."""
    return _listed_output_limit(model) or _DEFAULT_OUTPUT_LIMIT


@lru_cache(maxsize=1024)
def _listed_output_limit(model: str) -> int | None:
    name = max_input_estimate.base_model(model)
    return next((tokens for prefix, tokens in _OUTPUT_LIMITS if name.startswith(prefix)), None)


def _prediction_tokens(call: Call) -> int:
    """What of a predicted answer is rejected is charged as if it had been written."""
    predicted = call.body.get("prediction")
    return estimate(call.endpoint, call.model, {"input": predicted}, ()).input if predicted else 0


def _has_files(call: Call) -> bool:
    """Whether images or files are in it, whose bytes are no text."""
    return any(b";base64," in bytes(value) for value in call.raw.values())


def _count(value: object) -> int | None:
    """A whole number above 0, also one written as 3.0."""
    if not value or isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or value < 1:
        return None
    return int(min(value, MAX_TOKENS))

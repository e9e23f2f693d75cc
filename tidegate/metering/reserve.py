"""The most that a call may cost, told before it is made."""

import msgspec

from tidegate.core.values import Route, Usage
from tidegate.metering.estimate import estimate
from tidegate.metering.prices import Prices
from tidegate.wire.call import Call

_LONGEST_OUTPUT = (
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
_LONGEST_OF_ANY = 128_000
_USUAL_OUTPUT = 256
"""Tokens that an answer without a stated limit is taken to have, where only a rate is at stake."""
_BYTES_PER_TOKEN = 4
_MARGIN = 1.02
"""OpenAI's framing of messages and tools is not public; an estimate has been a few tokens short."""
_MARGIN_TOKENS = 16


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """What to set aside for a call."""

    tokens: int
    """Its likely size, for limits a minute."""
    nanos: int
    """The most it can cost, nano-dollars."""


def reserve(call: Call, prices: Prices, *, at: float, exact: bool) -> Reserve:
    """What to set aside; counting tokens `exact`ly costs time, and is for where money or tokens are limited."""
    asked = _input_tokens(call, exact=exact)
    stated = _stated_output(call)
    most = 0 if call.route in (Route.EMBEDDINGS, Route.MODERATIONS) else longest_output(call.model)
    if stated is not None:
        most = min(stated, most)
    choices = _choices(call)
    usage = Usage(input=asked, output=most * choices)
    likely = min(most, _USUAL_OUTPUT if stated is None else stated) * choices
    nanos = 0 if call.route is Route.MODERATIONS else prices.cost(call.model, usage, at=at, tier=_tier(call))
    return Reserve(tokens=asked + likely, nanos=nanos)


def longest_output(model: str) -> int:
    """Tokens that a model writes at most; a generous figure where it is not known."""
    name = model.split(":")[1] if model.startswith("ft:") and ":" in model[3:] else model
    return next((tokens for prefix, tokens in _LONGEST_OUTPUT if name.startswith(prefix)), _LONGEST_OF_ANY)


def _input_tokens(call: Call, *, exact: bool) -> int:
    if exact:
        counted = estimate(call.model, call.body, "").input
        return int(counted * _MARGIN) + _MARGIN_TOKENS
    return sum(len(bytes(value)) for value in call.raw.values()) // _BYTES_PER_TOKEN + 1


def _stated_output(call: Call) -> int | None:
    names = ("max_output_tokens",) if call.route is Route.RESPONSES else ("max_completion_tokens", "max_tokens")
    stated = [value for name in names if isinstance(value := call.body.get(name), int) and not isinstance(value, bool)]
    return max(0, stated[0]) if stated else None


def _choices(call: Call) -> int:
    n = call.body.get("n")
    return min(n, 128) if isinstance(n, int) and not isinstance(n, bool) and n > 0 else 1


def _tier(call: Call) -> str | None:
    tier = call.body.get("service_tier")
    return tier if tier == "priority" else None

"""The most that a call may cost, told before it is made."""

from collections.abc import Collection
from functools import lru_cache

import msgspec

from tidegate.core.values import Route, Usage
from tidegate.metering import most_input
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
_ABOVE_LIMIT = 16
"""Tokens that an answer's framing may take beyond its stated limit."""
_MOST_CHOICES = 128
_LARGE = 64 * 1024
"""Bytes; a call beyond is looked into for images before its size is taken for that of a text."""


class Reserve(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What to set aside for a call."""

    tokens: int
    """Its likely size, for limits a minute."""
    nanos: int
    """The most it can cost, nano-dollars."""
    again: int = 0
    """What sending it once more may cost besides: its question, where an answer breaks off before its first word."""


def reserve(call: Call, prices: Prices, *, at: float, exact: bool, targets: Collection[str] = ("",)) -> Reserve:
    """What to set aside, whichever of the `targets` (`provider/model`) answers.

    Counting tokens `exact`ly costs time, and is for where money or tokens are limited.
    """
    quick = call.size // _BYTES_PER_TOKEN + 1
    counts = exact or (call.size > _LARGE and _brings_files(call))
    likely = estimate(call.route, call.model, call.body, ()).input if counts else quick
    asked = most_input.most_input(call, likely) if exact else likely
    stated = _stated_output(call)
    longest = 0 if call.route in (Route.EMBEDDINGS, Route.MODERATIONS) else longest_output(call.model)
    output = longest if stated is None else min(stated + _ABOVE_LIMIT, longest)
    usage = Usage(input=asked, output=output * _choices(call))
    spoken = min(longest, _USUAL_OUTPUT if stated is None else stated) * _choices(call)
    tier = call.body.get("service_tier")
    tier = tier if isinstance(tier, str) else None

    def most(usage: Usage) -> int:
        return max(prices.most(call.model, usage, at=at, tier=tier, target=target) for target in targets)

    nanos = 0 if call.route is Route.MODERATIONS else most(usage)
    again = most(Usage(input=asked)) if exact and nanos else 0
    return Reserve(tokens=likely + spoken + 1, nanos=nanos, again=again)


@lru_cache(maxsize=1024)
def longest_output(model: str) -> int:
    """Tokens that a model writes at most; a generous figure where it is not known."""
    name = most_input.base(model)
    return next((tokens for prefix, tokens in _LONGEST_OUTPUT if name.startswith(prefix)), _LONGEST_OF_ANY)


def _brings_files(call: Call) -> bool:
    """Whether images or files are in it, whose bytes are no text."""
    return any(b";base64," in bytes(value) for value in call.raw.values())


def _stated_output(call: Call) -> int | None:
    names = ("max_output_tokens",) if call.route is Route.RESPONSES else ("max_completion_tokens", "max_tokens")
    stated = [count for name in names if (count := _count(call.body.get(name))) is not None]
    return max(stated) if stated else None


def _choices(call: Call) -> int:
    return min(_count(call.body.get("n")) or 1, _MOST_CHOICES)


def _count(value: object) -> int | None:
    """A whole number above 0, also one written as 3.0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or value < 1:
        return None
    return int(value)

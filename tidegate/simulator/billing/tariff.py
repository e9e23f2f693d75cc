"""The prices of the simulated OpenAI, to the nano-dollar, independent of the gateway's own prices."""

import re
from collections.abc import Mapping
from fractions import Fraction
from importlib import resources
from pathlib import Path

import msgspec

_FILE = "prices.json"
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_NANOS_PER_TOKEN = 1000
"""Nano-dollars per token at a price of $1 per million tokens."""


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens, as text."""

    input: str = "0"
    cached: str | None = None
    """The same as `input` if not given."""
    output: str = "0"


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens that a call is charged for."""

    input: int = 0
    cached: int = 0
    """Cached tokens of the input."""
    output: int = 0


NO_TOKENS = TokenUsage()


class Tariff:
    """Prices by model. All service tiers have the same price, and so has audio."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices

    def nanos(self, model: str, used: TokenUsage) -> int | None:
        """Return the cost of tokens, rounded half up; None for a model without a price."""
        price = self._prices.get(model) or self._prices.get(_DATE.sub("", model))
        if price is None:
            return None
        cached = price.input if price.cached is None else price.cached
        whole = (used.input - used.cached) * Fraction(price.input)
        whole += used.cached * Fraction(cached) + used.output * Fraction(price.output)
        return int(whole * _NANOS_PER_TOKEN + Fraction(1, 2))


def load(file: Path | None = None) -> Tariff:
    """Return the tariff in a file, else OpenAI's list.

    The file holds a JSON object such as `{"MODEL": {"input": "0.15", "output": "0.60"}}`. Raises ValueError, which says
    what is wrong with the file.
    """
    text = file.read_bytes() if file else resources.files("tidegate.simulator.billing").joinpath(_FILE).read_bytes()
    try:
        prices = msgspec.json.decode(text, type=dict[str, Price])
    except msgspec.DecodeError as error:
        raise ValueError(f"The prices are not as they should be: {error}.") from error
    for model, price in prices.items():
        for amount in (price.input, price.cached or "0", price.output):
            if not re.fullmatch(r"\d+(\.\d+)?", amount):
                raise ValueError(f'{model}: {amount!r} is no price in US dollars, such as "0.15".')
    return Tariff(prices)

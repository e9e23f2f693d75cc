"""OpenAI's list prices from genai-prices, in a file that loads in a millisecond. Used by `Prices`.

The library itself costs half a second and 11 MB in every process (2 s and 96 MB before it is compiled), mostly for
other providers. So its OpenAI part is stored beside this module as `openai_prices.json`. `python -m
tidegate.metering.price_refresh` writes that file. A test compares it with the installed library.
"""

import re
from importlib import resources

import msgspec

PRICE_FILE = "openai_prices.json"

NanosPerMillion = int
"""Nano-dollars per million tokens; 1 USD per million tokens is 1,000,000,000."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The prices per million tokens from `above` input tokens on. None: the same as plain text."""

    above: int = 0
    input: NanosPerMillion = 0
    cached: NanosPerMillion | None = None
    output: NanosPerMillion = 0
    input_audio: NanosPerMillion | None = None
    output_audio: NanosPerMillion | None = None


class PricePeriod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rates from a moment on, by the size of the call; the first is for any size, the last that applies counts."""

    since: float = 0.0
    """Unix seconds."""
    rates: tuple[Rates, ...]


class PricedModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model: the names that match it, in lower case, and its prices, newest last."""

    equals: tuple[str, ...] = ()
    starts_with: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    periods: tuple[PricePeriod, ...]
    tiers: dict[str, tuple[PricePeriod, ...]] = {}
    """By service tier, where a tier has its own prices."""

    def matches(self, name: str) -> bool:
        """Return whether `name`, in lower case, is this model."""
        return (
            name in self.equals
            or name.startswith(self.starts_with)
            or any(part in name for part in self.contains)
            or any(re.search(pattern, name) for pattern in self.regex)
        )


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """The whole list. Models are tried in order."""

    source: str
    models: tuple[PricedModel, ...]

    def find(self, name: str) -> PricedModel | None:
        """Return the first model that matches `name`, in lower case."""
        return next((model for model in self.models if model.matches(name)), None)


def load() -> PriceList:
    """Return the list that is part of this package."""
    return msgspec.json.decode(resources.files("tidegate.metering").joinpath(PRICE_FILE).read_bytes(), type=PriceList)

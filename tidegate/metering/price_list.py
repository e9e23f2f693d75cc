"""OpenAI's list prices, as genai-prices knows them, in a form that loads in a millisecond.

The library itself costs half a second and 11 MB in every process (2 s and 96 MB before it is
compiled), most of it for other providers, so its OpenAI part is kept beside this module as
`openai_prices.json`. `python -m tidegate.metering.price_refresh` writes it anew; a test holds it to the
installed library.
"""

import re
from importlib import resources

import msgspec

PRICE_FILE = "openai_prices.json"

NanosPerMillion = int
"""Nano-dollars for a million tokens; 1 USD per million tokens is 1,000,000,000."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a million tokens of each kind cost, from `above` input tokens on. None: as the plain kind."""

    above: int = 0
    input: NanosPerMillion = 0
    cached: NanosPerMillion | None = None
    output: NanosPerMillion = 0
    input_audio: NanosPerMillion | None = None
    output_audio: NanosPerMillion | None = None


class PricePeriod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rates since a moment, by the call's size: the first is for any size, the last that applies counts."""

    since: float = 0.0
    """Unix seconds."""
    rates: tuple[Rates, ...]


class PricedModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model: the names it answers to, in lower case, and its prices, the newest last."""

    equals: tuple[str, ...] = ()
    starts_with: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    periods: tuple[PricePeriod, ...]
    tiers: dict[str, tuple[PricePeriod, ...]] = {}
    """By service tier, where it is priced apart."""

    def matches(self, name: str) -> bool:
        """Whether `name`, in lower case, is this model."""
        return (
            name in self.equals
            or name.startswith(self.starts_with)
            or any(part in name for part in self.contains)
            or any(re.search(pattern, name) for pattern in self.regex)
        )


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """The whole list; models are tried in order."""

    source: str
    models: tuple[PricedModel, ...]

    def find(self, name: str) -> PricedModel | None:
        """The first model that answers to `name`, in lower case."""
        return next((model for model in self.models if model.matches(name)), None)


def load() -> PriceList:
    """The list that came with this package."""
    return msgspec.json.decode(resources.files("tidegate.metering").joinpath(PRICE_FILE).read_bytes(), type=PriceList)

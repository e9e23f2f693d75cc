"""OpenAI's list prices from genai-prices, in a file that loads in a millisecond. Used by `Prices`.

The library itself costs half a second and 11 MB in every process (2 s and 96 MB before it is compiled), mostly for
other providers. So its OpenAI part is stored beside this module as `openai_prices.json`. `python -m
tidegate.metering.price_refresh` writes that file. A test compares it with the installed library.
"""

import re
from importlib import resources
from pathlib import Path

import msgspec

from tidegate.core.config import ConfigError

PRICE_FILE = "openai_prices.json"

_TEXT_MODELS = ("gpt-", "chatgpt-", "o1", "o3", "o4")
_OTHER_OUTPUT = ("audio", "image", "realtime", "transcribe", "tts", "instruct")
"""Parts of the names of models that write no text, or not on the endpoints that the gateway has."""

NanosPerMillion = int
"""Nano-dollars per million tokens; 1 USD per million tokens is 1,000,000,000."""


NanosPerCall = int
"""Nano-dollars for one use of a tool: a search, an image, a container."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The prices per million tokens from `above` input tokens on.

    None: the same as plain text. A cached kind without a price of its own costs as much as that kind uncached, so that
    no discount is assumed. `cache_write_1h` is the same as `cache_write` if it is None.
    """

    above: int = 0
    input: NanosPerMillion = 0
    cached: NanosPerMillion | None = None
    cache_write: NanosPerMillion | None = None
    cache_write_1h: NanosPerMillion | None = None
    output: NanosPerMillion = 0
    input_audio: NanosPerMillion | None = None
    cached_audio: NanosPerMillion | None = None
    output_audio: NanosPerMillion | None = None
    input_image: NanosPerMillion | None = None
    cached_image: NanosPerMillion | None = None
    output_image: NanosPerMillion | None = None


_RATES = tuple(name for name in Rates.__struct_fields__ if name != "above")


class PricePeriod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The rates from a moment on, by the size of the call; the first is for any size, the last that applies counts."""

    since: float = 0.0
    """Unix seconds."""
    rates: tuple[Rates, ...]


class PricedModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One model: the names that match it, in lower case, and its prices, newest last."""

    equals: tuple[str, ...] = ()
    starts_with: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    periods: tuple[PricePeriod, ...]
    tiers: dict[str, tuple[PricePeriod, ...]] = {}
    """By service tier, where a tier has its own prices."""
    fees: dict[str, NanosPerCall] = {}
    """Prices of hosted tools where they differ from those of the list."""

    def matches(self, name: str) -> bool:
        """Return whether `name`, in lower case, is this model."""
        if name in self.equals or name.startswith(self.starts_with):
            return True
        # most models have no such names, and callers may ask for any number of models that are not in the list
        return bool(self.contains or self.regex) and (
            any(part in name for part in self.contains) or any(re.search(pattern, name) for pattern in self.regex)
        )


class PriceList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The whole list. Models are tried in order."""

    source: str
    models: tuple[PricedModel, ...]
    fees: dict[str, NanosPerCall] = {}
    """Prices of the provider's hosted tools, by the name of the tool."""

    @property
    def text_models(self) -> tuple[str, ...]:
        """The names of the models that write text, one for each price."""
        names = (model.equals[0] for model in self.models if model.equals)
        return tuple(
            name for name in names if name.startswith(_TEXT_MODELS) and not any(word in name for word in _OTHER_OUTPUT)
        )

    def find(self, name: str) -> PricedModel | None:
        """Return the first model that matches `name`, in lower case."""
        return next((model for model in self.models if model.matches(name)), None)


def load(file: Path | None = None) -> PriceList:
    """Return the list that is part of this package, behind the models of `file`. Raises ConfigError.

    `file` has the same format. Its models are tried first, and its prices of tools replace those of the same name.
    """
    packaged = _decode(resources.files("tidegate.metering").joinpath(PRICE_FILE).read_bytes())
    if file is None:
        return packaged
    try:
        own = _decode(file.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(file, str(error)) from error
    for number, model in enumerate(own.models):
        if reason := _fault_of(model):
            raise _refusal(file, f"model {number + 1} ({_first_name(model)}) {reason}")
    if any(fee < 0 for fee in own.fees.values()):
        raise _refusal(file, "a fee is negative")
    return PriceList(
        source=f"{own.source}, {packaged.source}",
        models=own.models + packaged.models,
        fees={**packaged.fees, **own.fees},
    )


def _decode(data: bytes) -> PriceList:
    return msgspec.json.decode(data, type=PriceList)


def _refusal(file: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"The gateway did not start: the price list {file} (metering.price_file) cannot be used: {reason}. Correct it, "
        "or write a new one with `tidegate prices`."
    )


def _first_name(model: PricedModel) -> str:
    return next(iter((*model.equals, *model.starts_with, *model.contains, *model.regex)), "without a name")


def _fault_of(model: PricedModel) -> str:
    """Return what is wrong with a model; empty if nothing is."""
    return _fault_of_names(model) or _fault_of_prices(model)


def _fault_of_names(model: PricedModel) -> str:
    names = (*model.equals, *model.starts_with, *model.contains)
    if not names and not model.regex:
        return "has no name"
    if any(not name or name != name.lower() for name in names):
        return "has a name that is empty or not in lower case"
    for pattern in model.regex:
        try:
            re.compile(pattern)
        except re.error as error:
            return f"has the pattern {pattern!r}, which is none: {error}"
    return ""


def _fault_of_prices(model: PricedModel) -> str:
    periods = (*model.periods, *(period for periods in model.tiers.values() for period in periods))
    if not model.periods or any(not period.rates for period in periods):
        return "has no price"
    steps = [[rates.above for rates in period.rates] for period in periods]
    if any(step[0] != 0 or step != sorted(set(step)) for step in steps):
        return "has prices whose `above` do not begin at 0 and rise"
    amounts = [getattr(rates, name) for period in periods for rates in period.rates for name in _RATES]
    if any(amount is not None and amount < 0 for amount in (*amounts, *model.fees.values())):
        return "has a negative price"
    return ""


def encode(prices: PriceList) -> bytes:
    """Return the file's content: one model per line, so that diffs of prices are readable."""
    models = b",\n".join(msgspec.json.encode(model) for model in prices.models)
    head = b'"source":%s,"fees":%s' % (msgspec.json.encode(prices.source), msgspec.json.encode(prices.fees))
    return b'{%s,"models":[\n%s\n]}\n' % (head, models)

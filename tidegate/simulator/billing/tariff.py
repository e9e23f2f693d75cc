"""The prices of the simulated OpenAI, to the nano-dollar, independent of the gateway's own prices.

They were read from OpenAI's page "Pricing": list prices by model, the rules for long prompts and for service tiers, and
the fees of tools.
"""

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from importlib import resources
from pathlib import Path

import msgspec

from tidegate.simulator.answers.hosted_tools import IMAGE_INPUT_TOKENS

_FILE = "prices.json"
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_NANOS_PER_TOKEN = 1000
"""Nano-dollars per token at a price of $1 per million tokens."""
_NANOS = 1_000_000_000
_MILLION = 1_000_000
_AMOUNT = re.compile(r"\d+(\.\d+)?")
_LONG_PROMPT = 272_000
"""A prompt with more tokens than these costs twice as much, and its output one and a half times as much."""
_LONG_INPUT, _LONG_OUTPUT = Fraction(2), Fraction(3, 2)
_LONG_PROMPT_MODELS = re.compile(r"gpt-(5\.[4-9]|[6-9])(?!.*(mini|nano))")
BATCH = "batch"
"""The tier of a batch's lines."""
_BATCH_SHARE = Fraction(1, 2)
"""The share of the list price that a batch's tokens cost."""
_SEARCH = Fraction(10, 1000)
_PREVIEW_SEARCH = Fraction(25, 1000)
"""USD for a search of the preview by a model that does not reason; one that does pays for the search as all do."""
_REASONS = re.compile(r"o\d|gpt-[5-9]")
_SEARCH_CONTENT = {"gpt-4o-mini": 8_000, "gpt-4.1-mini": 8_000}
"""Input tokens that each search of these models is billed with."""
_FILE_SEARCH = Fraction("2.50") / 1000
_CONTAINERS = {"1g": Fraction("0.03"), "4g": Fraction("0.12"), "16g": Fraction("0.48"), "64g": Fraction("1.92")}


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens, as text. A kind that is not given costs as much as text of the same direction."""

    input: str = "0"
    cached: str | None = None
    cache_write: str | None = None
    output: str = "0"
    input_audio: str | None = None
    cached_audio: str | None = None
    """The same as `input_audio` if not given."""
    output_audio: str | None = None
    input_image: str | None = None
    cached_image: str | None = None
    """The same as `input_image` if not given."""
    output_image: str | None = None
    units: dict[str, str] = {}
    """US dollars for one of what is not sold in tokens: a minute of sound, an image of a quality and size, …"""
    tiers: dict[str, "Price"] = {}
    """The prices of other service tiers."""

    @property
    def amounts(self) -> list[str]:
        """All amounts that are given."""
        own = [getattr(self, name) for name in self.__struct_fields__ if name not in ("tiers", "units")]
        return [
            *(amount for amount in own if amount is not None),
            *self.units.values(),
            *(amount for tier in self.tiers.values() for amount in tier.amounts),
        ]


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a call is charged for."""

    input: int = 0
    cached: int = 0
    """Cached tokens of the input."""
    cache_write: int = 0
    output: int = 0
    input_audio: int = 0
    cached_audio: int = 0
    input_image: int = 0
    cached_image: int = 0
    output_audio: int = 0
    output_image: int = 0
    tier: str = "default"
    """The service tier that answered."""
    fees: tuple[str, ...] = ()
    """What is billed besides the tokens, one by one: a search, a container by its memory, an image by its model."""
    units: tuple[tuple[str, Fraction], ...] = ()
    """What is not sold in tokens: its name in the price's `units`, and how much of it."""


NO_TOKENS = TokenUsage()


class Tariff:
    """Prices by model."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices

    def nanos(self, model: str, used: TokenUsage) -> int | None:
        """Return the cost of a call: its tokens, rounded half up, and its fees. None without a price."""
        price = self._price(model)
        if price is None or any(name not in price.units for name, _ in used.units):
            return None
        usd = self._tokens(model, price.tiers.get(used.tier, price), used)
        is_half = used.tier == BATCH and BATCH not in price.tiers
        tokens = _rounded(usd * _BATCH_SHARE if is_half else usd)
        images = Counter(fee for fee in used.fees if fee.startswith("image"))
        made = sum(self._images(*name.split(" ")[1:], count=count) for name, count in images.items())
        units = sum((number * Fraction(price.units[name]) for name, number in used.units), start=Fraction(0))
        tokens += _rounded(units * _MILLION)
        return tokens + made + sum(self._fee(model, price, fee) for fee in used.fees if fee not in images)

    def _price(self, model: str) -> Price | None:
        if model.startswith("ft:"):  # a fine-tuned model costs what all made of its base cost
            model = ":".join(model.split(":")[:2])
        return self._prices.get(model) or self._prices.get(_DATE.sub("", model))

    def _tokens(self, model: str, price: Price, used: TokenUsage) -> Fraction:
        """Return the cost of tokens in USD per million."""
        audio, image = used.input_audio - used.cached_audio, used.input_image - used.cached_image
        cached = used.cached - used.cached_audio - used.cached_image
        text = used.input - used.cached - used.cache_write - audio - image
        read = (
            text * Fraction(price.input)
            + cached * _or(price.cached, price.input)
            + used.cache_write * _or(price.cache_write, price.input)
            + audio * _or(price.input_audio, price.input)
            + used.cached_audio * _or(price.cached_audio, price.input_audio, price.cached, price.input)
            + image * _or(price.input_image, price.input)
            + used.cached_image * _or(price.cached_image, price.input_image, price.cached, price.input)
        )
        written = (
            (used.output - used.output_audio - used.output_image) * Fraction(price.output)
            + used.output_audio * _or(price.output_audio, price.output)
            + used.output_image * _or(price.output_image, price.output)
        )
        if used.input > _LONG_PROMPT and _LONG_PROMPT_MODELS.match(model):
            return read * _LONG_INPUT + written * _LONG_OUTPUT
        return read + written

    def _images(self, model: str, tokens: str, *, count: int) -> int:
        """Return the cost of images of so many tokens each, all of which are one sum on the bill."""
        price = self._price(model)
        if price is None:
            return 0
        read, written = count * IMAGE_INPUT_TOKENS, count * int(tokens)
        return _rounded(read * Fraction(price.input) + written * _or(price.output_image, price.output))

    def _fee(self, model: str, price: Price, fee: str) -> int:
        kind, _, size = fee.partition(" ")
        if kind == "container":
            return int(_CONTAINERS[size] * _NANOS)
        if kind == "file_search":
            return int(_FILE_SEARCH * _NANOS)
        if kind == "web_search_preview" and not _REASONS.match(model):
            return int(_PREVIEW_SEARCH * _NANOS)
        content = _SEARCH_CONTENT.get(model, 0) * Fraction(price.input) * _NANOS_PER_TOKEN
        return int(_SEARCH * _NANOS + (content if kind == "web_search" else 0))


def _or(*amounts: str | None) -> Fraction:
    """Return the first amount that is given."""
    return Fraction(next(amount for amount in amounts if amount is not None))


def _rounded(usd_per_million: Fraction) -> int:
    return int(usd_per_million * _NANOS_PER_TOKEN + Fraction(1, 2))


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
        for amount in price.amounts:
            if not _AMOUNT.fullmatch(amount):
                raise ValueError(f'{model}: {amount!r} is no price in US dollars, such as "0.15".')
    return Tariff(prices)

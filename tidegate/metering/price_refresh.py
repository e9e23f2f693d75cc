"""Writes `openai_prices.json` from the installed genai-prices: `python -m tidegate.metering.price_refresh`.

`tidegate prices` writes the same list for `metering.price_file`. The gateway does not use this module, and it opens no
connection.
"""

import re
from datetime import UTC, datetime, time
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tidegate.metering.price_list import PRICE_FILE, PricedModel, PriceList, PricePeriod, Rates, encode

_KINDS = {
    "input": "input_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
    "input_audio": "input_audio_mtok",
    "cached_audio": "cache_audio_read_mtok",
    "output_audio": "output_audio_mtok",
    "input_image": "input_image_mtok",
    "cached_image": "cache_image_read_mtok",
    "output_image": "output_image_mtok",
}
_FEES = {"web_search": "web_searches_kcount", "file_search": "storage_searches_kcount"}
"""What is sold by the call, in the library by the thousand."""
_LIST_FEES = {
    "web_search": 10_000_000,
    "web_search_preview": 25_000_000,
    "file_search": 2_500_000,
    "code_interpreter": 30_000_000,
    "code_interpreter_4g": 120_000_000,
    "code_interpreter_16g": 480_000_000,
    "code_interpreter_64g": 1_920_000_000,
}
"""Nano-dollars for one use of each hosted tool (OpenAI, "Pricing").

A search, and a container for 20 minutes by its memory. Images are sold by their tokens.
"""
_REASONING = re.compile(r"o\d|gpt-[5-9](?!.*chat)")
"""Models for which the preview of the web search costs as much as the search itself."""
_SEARCH_BLOCKS = {"gpt-4o-mini": 8_000 * 150, "gpt-4.1-mini": 8_000 * 400}
"""Nano-dollars for the 8,000 input tokens that each web search of these models is charged with."""
_OTHER_UNITS = frozenset({"audio_hours", "input_audio_hours", "input_mchars"})
"""What is sold by the hour or the character: speech, for which the gateway has no endpoint."""
_STANDARD = ({"service_tier": "default"}, {"processing": "batch"})
"""Conditions of prices that are not kept: the standard price again, and that of an API which the gateway lacks."""
_UNLISTED = {
    "gpt-4o-audio-preview": {"input_audio": 40, "output_audio": 80},
    "gpt-4o-mini-audio-preview": {"input_audio": 10, "output_audio": 20},
}
"""Prices of sound in USD per million tokens (OpenAI, "Pricing") where the library only has those of text."""


class CannotConvert(Exception):
    """genai-prices states a price in a form that the price list cannot represent."""


def from_genai_prices() -> PriceList:
    """Return the OpenAI models of the installed genai-prices that are priced by token. Raises CannotConvert."""
    from genai_prices.data import providers  # noqa: PLC0415  # half a second, for this tool only

    openai = next(provider for provider in providers if provider.id == "openai")
    models = (convert(info) for info in openai.models)
    return PriceList(
        source=f"genai-prices {version('genai-prices')}",
        models=tuple(m for m in models if m.periods),
        fees=_LIST_FEES,
    )


def convert(info: Any) -> PricedModel:
    """Convert one model of the library. Raises CannotConvert rather than guess."""
    standard = _standard(info)
    tiers: dict[str, list[PricePeriod]] = {}
    for variant in info.price_variants or ():
        if variant.when in _STANDARD:
            continue
        if variant.when.keys() != {"service_tier"}:
            raise CannotConvert(f"a price of {info.id} where {variant.when}")
        if not _kinds(standard[-1][1]) <= _kinds(variant.prices):
            raise CannotConvert(f"a price of {info.id} for a part of its kinds of tokens, where {variant.when}")
        tiers.setdefault(variant.when["service_tier"], []).extend(_periods(variant.constraint, variant.prices, info.id))
    return PricedModel(
        **_names(info.match),
        periods=tuple(period for constraint, prices in standard for period in _periods(constraint, prices, info.id)),
        tiers={tier: tuple(periods) for tier, periods in tiers.items()},
        fees=_fees(info.id, [prices for _, prices in standard]),
    )


def _standard(info: Any) -> list[tuple[Any, Any]]:
    """Return the model's prices for its standard tier, each with the constraint under which it applies."""
    if isinstance(info.prices, list):
        return [(one.constraint, one.prices) for one in info.prices]
    return [(None, info.prices)]


def _fees(model: str, prices: list[Any]) -> dict[str, int]:
    """Return the prices of hosted tools that differ from those of all models."""
    fees = {"web_search_preview": _LIST_FEES["web_search"]} if _REASONING.match(model) else {}
    if model in _SEARCH_BLOCKS:
        fees["web_search"] = _LIST_FEES["web_search"] + _SEARCH_BLOCKS[model]
    for fee, key in _FEES.items():
        stated = {_nanos(price) // 1000 for one in prices if (price := getattr(one, key, None)) is not None}
        if len(stated) > 1:
            raise CannotConvert(f"a price of {model} for {fee} that changed")
        if stated and stated != {_LIST_FEES[fee]}:
            fees[fee] = stated.pop()
    return fees


def _names(clause: Any) -> dict[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {"equals": [], "starts_with": [], "contains": [], "regex": []}
    for one in getattr(clause, "or_", [clause]):
        [(kind, text)] = vars(one).items()
        if kind not in names:
            raise CannotConvert(f"a name matched by {one}")
        names[kind].append(text)
    return {kind: tuple(texts) for kind, texts in names.items()}


def _periods(constraint: Any, prices: Any, model: str) -> tuple[PricePeriod, ...]:
    """Return one period, or none for a model that is not sold by token (speech by the hour or the character)."""
    stated = {key for key, price in vars(prices).items() if price is not None}
    if unknown := stated - set(_KINDS.values()) - set(_FEES.values()) - _OTHER_UNITS:
        raise CannotConvert(f"a price of {model} for {', '.join(sorted(unknown))}")
    if prices.input_mtok is None:
        if model == "moderation":  # free, according to OpenAI's pages; the only model without a price
            return (PricePeriod(rates=(Rates(),)),)
        if not stated <= _OTHER_UNITS:
            raise CannotConvert(f"a price of {model} without one for text")
        return ()
    if stated & _OTHER_UNITS:
        raise CannotConvert(f"a price of {model} by token and by another unit")
    steps = {0, *(tier.start for key in _KINDS.values() for tier in getattr(getattr(prices, key, None), "tiers", ()))}
    rates = tuple(_rates(prices, above, model) for above in sorted(steps))
    return (PricePeriod(since=_since(constraint), rates=rates),)


def _kinds(prices: Any) -> set[str]:
    return {kind for kind, key in _KINDS.items() if getattr(prices, key, None) is not None}


def _since(constraint: Any) -> float:
    if constraint is None:
        return 0.0
    if not hasattr(constraint, "start_date"):
        raise CannotConvert(f"a price with {constraint}")
    return datetime.combine(constraint.start_date, time(), UTC).timestamp()


def _rates(prices: Any, above: int, model: str) -> Rates:
    prices_by_kind = {kind: _price(getattr(prices, key, None), above) for kind, key in _KINDS.items()}
    unlisted = {kind: _nanos(Decimal(usd)) for kind, usd in _UNLISTED.get(model, {}).items()}
    stated = {kind: price for kind, price in prices_by_kind.items() if price is not None}
    return Rates(above=above, **{**unlisted, **stated})


def _price(price: Any, above: int) -> int | None:
    if price is None or isinstance(price, Decimal):
        return None if price is None else _nanos(price)
    reached = [tier.price for tier in price.tiers if tier.start <= above]
    return _nanos(reached[-1] if reached else price.base)


def _nanos(usd: Decimal) -> int:
    nanos = usd * 1_000_000_000
    if nanos != int(nanos):
        raise CannotConvert(f"a price finer than a nano-dollar per million tokens: {usd}")
    return int(nanos)


def main() -> None:
    """Write the file."""
    Path(__file__).with_name(PRICE_FILE).write_bytes(encode(from_genai_prices()))


if __name__ == "__main__":
    main()

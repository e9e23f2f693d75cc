"""Writes `openai_prices.json` from the installed genai-prices: `python -m tidegate.metering.price_refresh`.

A development tool: the gateway does not import it, and it opens no connection.
"""

from datetime import UTC, datetime, time
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from tidegate.metering.price_list import PRICE_FILE, PricedModel, PriceList, PricePeriod, Rates

_KINDS = {
    "input": "input_mtok",
    "cached": "cache_read_mtok",
    "output": "output_mtok",
    "input_audio": "input_audio_mtok",
    "output_audio": "output_audio_mtok",
}


class CannotConvert(Exception):
    """genai-prices states a price in a form that the price list cannot represent."""


def from_genai_prices() -> PriceList:
    """Return the OpenAI models of the installed genai-prices that are priced by token. Raises CannotConvert."""
    from genai_prices.data import providers  # noqa: PLC0415  # half a second, for this tool only

    openai = next(provider for provider in providers if provider.id == "openai")
    models = (convert(info) for info in openai.models)
    return PriceList(source=f"genai-prices {version('genai-prices')}", models=tuple(m for m in models if m.periods))


def convert(info: Any) -> PricedModel:
    """Convert one model of the library. Raises CannotConvert rather than guess."""
    tiers: dict[str, list[PricePeriod]] = {}
    for variant in info.price_variants or ():
        tier = variant.when.get("service_tier")
        # "default" repeats the standard price; batches are an API that the gateway does not offer
        if tier in (None, "default"):
            continue
        tiers.setdefault(tier, []).extend(_periods(variant.constraint, variant.prices))
    return PricedModel(
        **_names(info.match),
        periods=_standard(info),
        tiers={tier: tuple(periods) for tier, periods in tiers.items()},
    )


def _standard(info: Any) -> tuple[PricePeriod, ...]:
    if info.id == "moderation":  # free, according to OpenAI's pages; the only model without a price
        return (PricePeriod(rates=(Rates(),)),)
    conditional = info.prices if isinstance(info.prices, list) else None
    if conditional is None:
        return _periods(None, info.prices)
    return tuple(period for one in conditional for period in _periods(one.constraint, one.prices))


def _names(clause: Any) -> dict[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {"equals": [], "starts_with": [], "contains": [], "regex": []}
    for one in getattr(clause, "or_", [clause]):
        [(kind, text)] = vars(one).items()
        if kind not in names:
            raise CannotConvert(f"a name matched by {one}")
        names[kind].append(text)
    return {kind: tuple(texts) for kind, texts in names.items()}


def _periods(constraint: Any, prices: Any) -> tuple[PricePeriod, ...]:
    """Return one period, or none for a model that is not sold by text token (speech by the hour or the character)."""
    if prices.input_mtok is None:
        return ()
    # what is sold per request and not per token (searches, images) is not in `usage`, and has no price here
    steps = {0, *(tier.start for key in _KINDS.values() for tier in getattr(getattr(prices, key), "tiers", ()))}
    return (PricePeriod(since=_since(constraint), rates=tuple(_rates(prices, above) for above in sorted(steps))),)


def _since(constraint: Any) -> float:
    if constraint is None:
        return 0.0
    if not hasattr(constraint, "start_date"):
        raise CannotConvert(f"a price with {constraint}")
    return datetime.combine(constraint.start_date, time(), UTC).timestamp()


def _rates(prices: Any, above: int) -> Rates:
    prices_by_kind = {kind: _price(getattr(prices, key), above) for kind, key in _KINDS.items()}
    return Rates(above=above, **{kind: price for kind, price in prices_by_kind.items() if price is not None})


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


def encode(prices: PriceList) -> bytes:
    """Return the file's content: one model per line, so that diffs of prices are readable."""
    models = b",\n".join(msgspec.json.encode(model) for model in prices.models)
    return b'{"source":%s,"models":[\n%s\n]}\n' % (msgspec.json.encode(prices.source), models)


def main() -> None:
    """Write the file."""
    Path(__file__).with_name(PRICE_FILE).write_bytes(encode(from_genai_prices()))


if __name__ == "__main__":
    main()

"""What tokens cost, in whole nano-dollars (1e-9 USD)."""

import re
from collections.abc import Collection
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import structlog

from tidegate.core.config import MeteringConfig, ModelPrice
from tidegate.core.values import Usage
from tidegate.metering.price_list import PricedModel, PriceList, PricePeriod, Rates

_log = structlog.get_logger("prices")

MAX_CACHED_NAMES = 1024
"""Resolved names kept; callers choose the names, so there may be any number."""

_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")
_MILLION = 1_000_000
_STANDARD_OR_CHEAPER_TIERS = ("default", "flex")
"""Service tiers that are never served at more than the standard price."""


class Prices:
    """Prices by who answers.

    What is configured for the target wins, then what is configured or listed for the model that answered, then the same
    for the model that the target was asked for, then the price for the unknown.
    """

    def __init__(self, config: MeteringConfig, prices: PriceList) -> None:
        """`prices` is the list for what `config` does not override."""
        self._list = prices
        self._overrides = {name.lower(): _flat(price) for name, price in config.prices.items()}
        self._unknown = _flat(config.unknown_model_price)
        self._warned: set[str] = set()
        self._periods = lru_cache(MAX_CACHED_NAMES)(self._resolve)

    def cost(self, model: str, usage: Usage, *, at: float, tier: str | None = None, target: str = "") -> int:
        """Nano-dollars for `usage`, rounded half up once.

        `model` is the one that answered, `target` whom it was asked of (`provider/model`), where that is known.
        `at` (Unix seconds) chooses among prices that changed; `tier` is the `service_tier` that the answer states.
        An override has no tiers. A model nobody knows costs the configured price, and is logged once.
        """
        if not usage.input and not usage.output:
            return 0
        rates = _in_force(self._periods(target, model, tier), at, usage.input)
        return (_total(rates, usage) + _MILLION // 2) // _MILLION

    def max_cost(
        self, model: str, usage: Usage, *, at: float, tier: str | None = None, targets: Collection[str] = ("",)
    ) -> int:
        """Nano-dollars that such a call costs at most, whoever of `targets` answers and whatever tokens they are.

        `tier` is the `service_tier` that the call asks for; unless it names a cheap one, the upstream's own settings
        may serve it with priority.
        """
        most = 0
        for target in targets:
            read = written = 0
            for each in (None,) if tier in _STANDARD_OR_CHEAPER_TIERS else (None, "priority"):
                rates = _in_force(self._periods(target, model, each), at, usage.input)
                read = max(read, rates.input, rates.cached or 0, rates.input_audio or 0)
                written = max(written, rates.output, rates.output_audio or 0)
            most = max(most, usage.input * read + usage.output * written)
        return -(-most // _MILLION)

    def _resolve(self, target: str, model: str, tier: str | None) -> tuple[PricePeriod, ...]:
        provider, _, asked = target.lower().partition("/")
        own = self._configured(f"{provider}/{asked}", f"{provider}/*")
        found = own or self._listed(model.lower(), tier) or self._listed(asked, tier)
        if found is None:
            self._warn(target or model)
        return found or self._unknown

    def _listed(self, name: str, tier: str | None) -> tuple[PricePeriod, ...] | None:
        found = self._configured(name)
        if found is None and (listed := self._list.find(name) or self._list.find(_undated(name))):
            return _with_tier(listed, tier)
        return found

    def _configured(self, *names: str) -> tuple[PricePeriod, ...] | None:
        """The first of these names that the configuration has, each with its date or without."""
        written = (each for name in names for each in (name, _undated(name)))
        return next((self._overrides[each] for each in written if each in self._overrides), None)

    def _warn(self, name: str) -> None:
        if name in self._warned or len(self._warned) >= MAX_CACHED_NAMES:
            return
        self._warned.add(name)
        _log.warning(
            "price unknown: charged as metering.unknown_model_price",
            model=name,
            remedy=f'set [metering.prices."{name}"] input, cached and output in USD per million tokens',
            last_warning=len(self._warned) == MAX_CACHED_NAMES,
        )


def _undated(name: str) -> str:
    """A snapshot newer than the list costs what its family costs."""
    return _DATE.sub("", name)


def _flat(price: ModelPrice) -> tuple[PricePeriod, ...]:
    cached = None if price.cached is None else _nanos(price.cached)
    return (PricePeriod(rates=(Rates(input=_nanos(price.input), cached=cached, output=_nanos(price.output)),)),)


def _nanos(usd: Decimal) -> int:
    return int((usd * 1_000_000_000).to_integral_value(ROUND_HALF_UP))


def _with_tier(model: PricedModel, tier: str | None) -> tuple[PricePeriod, ...]:
    """The tier's own periods after the standard ones: before it had a price, it was charged as standard."""
    return model.periods + model.tiers.get(tier, ()) if tier else model.periods


def _in_force(periods: tuple[PricePeriod, ...], at: float, size: int) -> Rates:
    current = periods[0]
    for period in reversed(periods):
        if period.since <= at:
            current = period
            break
    rates = current.rates[0]
    for step in current.rates[1:]:  # crossing a threshold reprices the whole call, not what is above it
        if size > step.above:
            rates = step
    return rates


def _total(rates: Rates, usage: Usage) -> int:
    """Nano-dollars times a million. What has no rate of its own costs what plain text does."""
    heard = min(usage.input_audio, usage.input)
    cached = min(usage.cached, usage.input - heard)
    spoken = min(usage.output_audio, usage.output)
    return (
        (usage.input - heard - cached) * rates.input
        + cached * (rates.input if rates.cached is None else rates.cached)
        + heard * (rates.input if rates.input_audio is None else rates.input_audio)
        + (usage.output - spoken) * rates.output
        + spoken * (rates.output if rates.output_audio is None else rates.output_audio)
    )

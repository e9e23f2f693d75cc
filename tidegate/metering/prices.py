"""What tokens cost, in whole nano-dollars (1e-9 USD)."""

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import structlog

from tidegate.core.config import MeteringConfig, ModelPrice
from tidegate.core.values import Usage
from tidegate.metering.price_list import Model, Period, PriceList, Rates

_log = structlog.get_logger("prices")

REMEMBERED_NAMES = 1024
"""Resolved names kept; callers choose the names, so there may be any number."""

_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")
_MILLION = 1_000_000
_NOT_DEARER = ("default", "flex")
"""Service tiers that are never served at more than the standard price."""


class Prices:
    """Prices by model name. What the configuration says wins, then the list, then the price for the unknown."""

    def __init__(self, config: MeteringConfig, prices: PriceList) -> None:
        """`prices` is the list for what `config` does not override."""
        self._list = prices
        self._overrides = {name.lower(): _flat(price) for name, price in config.prices.items()}
        self._unknown = _flat(config.unknown_model)
        self._warned: set[str] = set()
        self._periods = lru_cache(REMEMBERED_NAMES)(self._resolve)

    def cost(self, model: str, usage: Usage, *, at: float, tier: str | None = None) -> int:
        """Nano-dollars for `usage`, rounded half up once.

        `at` (Unix seconds) chooses among prices that changed; `tier` is the `service_tier` that the answer states.
        An override has no tiers. A model nobody knows costs the configured price, and is logged once.
        """
        if not usage.input and not usage.output:
            return 0
        rates = _in_force(self._periods(model, tier), at, usage.input)
        return (_total(rates, usage) + _MILLION // 2) // _MILLION

    def most(self, model: str, usage: Usage, *, at: float, tier: str | None = None) -> int:
        """Nano-dollars that such a call costs at most, whatever kind of tokens they turn out to be.

        `tier` is the `service_tier` that the call asks for; unless it names a cheap one, the upstream's own settings
        may serve it with priority.
        """
        tiers = (None,) if tier in _NOT_DEARER else (None, "priority")
        rates = [_in_force(self._periods(model, each), at, usage.input) for each in tiers]
        read = max(max(rate.input, rate.cached or 0, rate.input_audio or 0) for rate in rates)
        written = max(max(rate.output, rate.output_audio or 0) for rate in rates)
        return -(-(usage.input * read + usage.output * written) // _MILLION)

    def _resolve(self, model: str, tier: str | None) -> tuple[Period, ...]:
        name = model.lower()
        undated = _DATE.sub("", name)  # a snapshot newer than the list costs what its family costs
        override = self._overrides.get(name) or self._overrides.get(undated)
        if override is not None:
            return override
        found = self._list.find(name) or self._list.find(undated)
        if found is None:
            self._warn(model)
            return self._unknown
        return _with_tier(found, tier)

    def _warn(self, model: str) -> None:
        if model in self._warned or len(self._warned) >= REMEMBERED_NAMES:
            return
        self._warned.add(model)
        _log.warning(
            "price unknown: charged as metering.unknown_model",
            model=model,
            remedy=f'set [metering.prices."{model}"] input, cached and output in USD per million tokens',
            last_warning=len(self._warned) == REMEMBERED_NAMES,
        )


def _flat(price: ModelPrice) -> tuple[Period, ...]:
    cached = None if price.cached is None else _nanos(price.cached)
    return (Period(rates=(Rates(input=_nanos(price.input), cached=cached, output=_nanos(price.output)),)),)


def _nanos(usd: Decimal) -> int:
    return int((usd * 1_000_000_000).to_integral_value(ROUND_HALF_UP))


def _with_tier(model: Model, tier: str | None) -> tuple[Period, ...]:
    """The tier's own periods after the standard ones: before it had a price, it was charged as standard."""
    return model.periods + model.tiers.get(tier, ()) if tier else model.periods


def _in_force(periods: tuple[Period, ...], at: float, size: int) -> Rates:
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

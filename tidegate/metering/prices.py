"""Prices of tokens in whole nano-dollars (1e-9 USD). Used by the accountant and for cost reservations."""

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
"""The most model names whose prices are cached. Callers choose names, so their number is unbounded."""

_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")
_MILLION = 1_000_000
_STANDARD_OR_CHEAPER_TIERS = ("default", "flex")
"""Service tiers that never cost more than the standard price."""


class Prices:
    """Looks up prices.

    In this order: a price configured for the target, a price configured or listed for the model that answered, the same
    for the model that the target was asked for, and the price for unknown models.
    """

    def __init__(self, config: MeteringConfig, prices: PriceList) -> None:
        """`prices` is the list for models that `config` does not override."""
        self._list = prices
        self._overrides = {name.lower(): _flat(price) for name, price in config.prices.items()}
        self._unknown = _flat(config.unknown_model_price)
        self._warned: set[str] = set()
        self._periods = lru_cache(MAX_CACHED_NAMES)(self._resolve)

    def cost(self, model: str, usage: Usage, *, at: float, tier: str | None = None, target: str = "") -> int:
        """Return the nano-dollars of `usage`, rounded half up once.

        `model` is the model that answered, `target` the target that was called (`provider/model`), if known. `at` (Unix
        seconds) selects among prices that changed. `tier` is the `service_tier` that the answer states. A configured
        price has no tiers. An unknown model costs the configured price, and is logged once.
        """
        if not usage.input and not usage.output:
            return 0
        rates = _in_force(self._periods(target, model, tier), at, usage.input)
        return (_total(rates, usage) + _MILLION // 2) // _MILLION

    def max_cost(
        self, model: str, usage: Usage, *, at: float, tier: str | None = None, targets: Collection[str] = ("",)
    ) -> int:
        """Return the most that such a call may cost, whichever of `targets` answers and whatever kind its tokens are.

        `tier` is the `service_tier` that the call asks for. Unless it names a cheap tier, the upstream's own settings
        may serve the call with priority.
        """
        highest_cost = 0
        for target in targets:
            input_rate = output_rate = 0
            for each in (None,) if tier in _STANDARD_OR_CHEAPER_TIERS else (None, "priority"):
                rates = _in_force(self._periods(target, model, each), at, usage.input)
                input_rate = max(input_rate, rates.input, rates.cached or 0, rates.input_audio or 0)
                output_rate = max(output_rate, rates.output, rates.output_audio or 0)
            highest_cost = max(highest_cost, usage.input * input_rate + usage.output * output_rate)
        return -(-highest_cost // _MILLION)

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
        """Return the configured price of the first of these names that has one, with its date or without."""
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
    """Return the name without its date: a snapshot newer than the list costs as much as its family."""
    return _DATE.sub("", name)


def _flat(price: ModelPrice) -> tuple[PricePeriod, ...]:
    cached = None if price.cached is None else _nanos(price.cached)
    return (PricePeriod(rates=(Rates(input=_nanos(price.input), cached=cached, output=_nanos(price.output)),)),)


def _nanos(usd: Decimal) -> int:
    return int((usd * 1_000_000_000).to_integral_value(ROUND_HALF_UP))


def _with_tier(model: PricedModel, tier: str | None) -> tuple[PricePeriod, ...]:
    """Return the tier's periods after the standard ones: before a tier had prices, calls were charged as standard."""
    return model.periods + model.tiers.get(tier, ()) if tier else model.periods


def _in_force(periods: tuple[PricePeriod, ...], at: float, size: int) -> Rates:
    current = periods[0]
    for period in reversed(periods):
        if period.since <= at:
            current = period
            break
    rates = current.rates[0]
    for step in current.rates[1:]:  # above a threshold the whole call has the higher price, not only the part beyond it
        if size > step.above:
            rates = step
    return rates


def _total(rates: Rates, usage: Usage) -> int:
    """Return nano-dollars times a million. A kind without its own rate costs as much as plain text."""
    audio_input = min(usage.input_audio, usage.input)
    cached = min(usage.cached, usage.input - audio_input)
    audio_output = min(usage.output_audio, usage.output)
    return (
        (usage.input - audio_input - cached) * rates.input
        + cached * (rates.input if rates.cached is None else rates.cached)
        + audio_input * (rates.input if rates.input_audio is None else rates.input_audio)
        + (usage.output - audio_output) * rates.output
        + audio_output * (rates.output if rates.output_audio is None else rates.output_audio)
    )

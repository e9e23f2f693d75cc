"""Prices of tokens in whole nano-dollars (1e-9 USD). Used by the accountant and for cost reservations."""

import re
from collections.abc import Collection, Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import msgspec
import structlog

from tidegate.core.config import MeteringConfig, ModelPrice
from tidegate.core.values import Usage
from tidegate.metering.price_list import PricedModel, PriceList, PricePeriod, Rates
from tidegate.metering.rates import KindPeriod, in_force, kind_period, max_token_cost, token_cost

_log = structlog.get_logger("prices")

MAX_CACHED_NAMES = 1024
"""The most model names whose prices are cached. Callers choose names, so their number is unbounded."""

MAX_WARNINGS = 100
"""The most model names without a price that are logged: each line costs as much as a small call."""

_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")
_STANDARD_OR_CHEAPER_TIERS = ("default", "flex")
"""Service tiers that never cost more than the standard price."""
_CHEAP, _WITH_PRIORITY = (None,), (None, "priority")
"""The tiers that may serve a call."""


class Prices:
    """Looks up prices.

    In this order: a price configured for the target, a price configured or listed for the model that answered, the same
    for the model that the target was asked for, and the price for unknown models.
    """

    def __init__(self, config: MeteringConfig, prices: PriceList) -> None:
        """`prices` is the list for models that `config` does not override."""
        self._list = prices
        self._overrides = {name.lower(): _flat(price) for name, price in config.prices.items()}
        self._unknown = None if config.unknown_model_price is None else _flat(config.unknown_model_price)
        self.assumed_tool_calls = config.assumed_tool_calls
        """Tool calls for which a call under a budget is held if it states no limit."""
        self._fees = _tool_fees(config.tool_prices)
        self._model_fees = {name.lower(): _tool_fees(price.tool_prices) for name, price in config.prices.items()}
        self._warned: set[str] = set()
        self._found = lru_cache(MAX_CACHED_NAMES)(self._resolve)
        self._alternatives = lru_cache(MAX_CACHED_NAMES)(self._find_alternatives)
        self.unpriced = lru_cache(MAX_CACHED_NAMES)(self._find_unpriced)
        """Return which of some targets have no price for a model: `unpriced(model, targets)`."""
        self._find = lru_cache(MAX_CACHED_NAMES)(self._look_up)

    def cost(self, model: str, usage: Usage, *, at: float, tier: str | None = None, target: str = "") -> int:
        """Return the nano-dollars of `usage`, rounded half up once.

        `model` is the model that answered, `target` the target that was called (`provider/model`), if known. `at` (Unix
        seconds) selects among prices that changed. `tier` is the `service_tier` that the answer states. A configured
        price has no tiers. An unknown model costs the price configured for unknown models, else nothing, and is logged
        once.
        """
        if not usage.input and not usage.output:
            return 0
        periods = self._found(target, model, tier).periods
        return token_cost(in_force(periods, at, usage.input), usage) if periods else 0

    def max_cost(
        self, model: str, usage: Usage, *, at: float, tier: str | None = None, targets: Collection[str] = ("",)
    ) -> int:
        """Return the most that such a call may cost, whichever of `targets` answers and whatever kind its tokens are.

        `tier` is the `service_tier` that the call asks for. Unless it names a cheap tier, the upstream's own settings
        may serve the call with priority.
        """
        tiers = _CHEAP if tier in _STANDARD_OR_CHEAPER_TIERS else _WITH_PRIORITY
        most = 0
        for periods in self._alternatives(model, tuple(targets), tiers):
            most = max(most, max_token_cost(in_force(periods, at, usage.input), usage))
        return most

    def knows(self, model: str, *, target: str = "") -> bool:
        """Return whether the price of a model, or of the target that was called, is configured or listed."""
        return self._found(target, model, None).known

    def has_price(self, model: str, *, target: str = "") -> bool:
        """Return whether a call has a price: its own, or that for unknown models."""
        return bool(self._found(target, model, None).periods)

    def fee(self, tool: str, model: str, *, target: str = "") -> int | None:
        """Return the nano-dollars for one use of a hosted tool by its name in the price list; None if not known.

        In this order: the fee configured with the price of the target or model, the one configured for all, the one
        listed for the model, and the one listed for all.
        """
        provider, _, asked = target.lower().partition("/")
        for name in (f"{provider}/{asked}", f"{provider}/*", model.lower(), asked):
            own = self._model_fees.get(name) or self._model_fees.get(_undated(name), {})
            if tool in own:
                return own[tool]
        if tool in self._fees:
            return self._fees[tool]
        listed = next((found for name in (model.lower(), asked) if (found := self._find(name))), None)
        return (listed.fees if listed else {}).get(tool, self._list.fees.get(tool))

    def _find_alternatives(
        self, model: str, targets: tuple[str, ...], tiers: tuple[str | None, ...]
    ) -> tuple[tuple[KindPeriod, ...], ...]:
        """Return the prices that a call may have: those of each target, in each tier that may serve it."""
        found = (self._found(target, model, tier).periods for target in targets for tier in tiers)
        return tuple(dict.fromkeys(periods for periods in found if periods))

    def _find_unpriced(self, model: str, targets: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(target or model for target in targets if not self.has_price(model, target=target))

    def _look_up(self, name: str) -> PricedModel | None:
        found, undated = self._list.find(name), _undated(name)
        return self._list.find(undated) if found is None and undated != name else found

    def _resolve(self, target: str, model: str, tier: str | None) -> "_FoundPrice":
        provider, _, asked = target.lower().partition("/")
        own = self._configured(f"{provider}/{asked}", f"{provider}/*")
        found = own or self._listed(model.lower(), tier) or self._listed(asked, tier)
        if found is None:
            self._warn(target or model)
        return _FoundPrice(tuple(map(kind_period, found or self._unknown or ())), found is not None)

    def _listed(self, name: str, tier: str | None) -> tuple[PricePeriod, ...] | None:
        found = self._configured(name)
        if found is None and (listed := self._find(name)):
            return _with_tier(listed, tier)
        return found

    def _configured(self, *names: str) -> tuple[PricePeriod, ...] | None:
        """Return the configured price of the first of these names that has one, with its date or without."""
        written = (each for name in names for each in (name, _undated(name)))
        return next((self._overrides[each] for each in written if each in self._overrides), None)

    def _warn(self, name: str) -> None:
        if name in self._warned or len(self._warned) >= MAX_WARNINGS:
            return
        self._warned.add(name)
        _log.warning(
            "price unknown: charged as metering.unknown_model_price" if self._unknown else "price unknown: not charged",
            model=name,
            remedy=f'set [metering.prices."{name}"] input, cached and output in USD per million tokens',
            last_warning=len(self._warned) == MAX_WARNINGS,
        )


class _FoundPrice(msgspec.Struct, frozen=True):
    """The price of a model; no periods where there is none."""

    periods: tuple[KindPeriod, ...]
    known: bool


def _undated(name: str) -> str:
    """Return the name without its date: a snapshot newer than the list costs as much as its family."""
    return _DATE.sub("", name)


def _flat(price: ModelPrice) -> tuple[PricePeriod, ...]:
    stated = {name: getattr(price, name) for name in Rates.__struct_fields__ if name != "above"}
    rates = {name: _nanos(usd) for name, usd in stated.items() if usd is not None}
    return (PricePeriod(rates=(Rates(**rates),)),)


def _tool_fees(prices: Mapping[str, Decimal]) -> dict[str, int]:
    return {tool: _nanos(usd) for tool, usd in prices.items()}


def _nanos(usd: Decimal) -> int:
    return int((usd * 1_000_000_000).to_integral_value(ROUND_HALF_UP))


def _with_tier(model: PricedModel, tier: str | None) -> tuple[PricePeriod, ...]:
    """Return the tier's periods after the standard ones: before a tier had prices, calls were charged as standard."""
    return model.periods + model.tiers.get(tier, ()) if tier else model.periods

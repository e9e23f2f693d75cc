"""What Realtime sessions cost: the most that a response may, and the ledger entries of what was used. Pure."""

from collections.abc import Collection

import msgspec

from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Usage
from tidegate.metering.max_cost import price_unknown
from tidegate.metering.prices import Prices
from tidegate.wire.charges.usage import MAX_TOKENS, NO_USAGE, from_wire


class UsedTokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a response, or a transcription, used."""

    usage: Usage
    model: str
    """The model that answered."""
    target: str
    """The target that was called, `provider/model`; empty for a transcription, whose model is named alone."""
    is_without_tokens: bool = False
    """Whether it was used in seconds, for which no price by token holds."""


class RealtimeAccountant:
    """Turns what sessions used into money."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    def check_price(self, model: str, targets: Collection[str] = ("",)) -> None:
        """Raise PriceUnknown if any of the targets has no price: a budget applies."""
        if unpriced := self._prices.unpriced(model, tuple(targets)):
            raise price_unknown(unpriced)

    def max_nanos(
        self, model: str, *, input_tokens: int, output_tokens: int, at: float, targets: Collection[str] = ("",)
    ) -> int:
        """Return the most nano-dollars of a response of this size, whatever kind its tokens are."""
        usage = Usage(input=input_tokens, output=output_tokens)
        return self._prices.max_cost(model, usage, at=at, tier="default", targets=targets)

    def entry(self, initial_entry: LedgerEntry, used: UsedTokens) -> LedgerEntry:
        """Return the ledger entry with the usage and its cost."""
        usage = used.usage
        has_any = bool(usage.input or usage.output)
        return msgspec.structs.replace(
            initial_entry,
            served_model=used.model,
            input_tokens=usage.input,
            cached_tokens=usage.cached,
            output_tokens=usage.output,
            estimated=usage.estimated,
            cost_nanos=self._prices.cost(used.model, usage, at=initial_entry.at, target=used.target),
            unpriced=used.is_without_tokens or (has_any and not self._prices.knows(used.model, target=used.target)),
        )


def stated_usage(raw: bytes | None) -> Usage | None:
    """Return the usage that the upstream states; None where it states none that can be read."""
    usage = NO_USAGE if raw is None else from_wire(raw)
    is_absurd = MAX_TOKENS in (usage.input, usage.output)
    return None if is_absurd or not (usage.input or usage.output) else usage


def is_in_seconds(raw: bytes | None) -> bool:
    """Return whether a usage states seconds, and no tokens."""
    return raw is not None and b'"duration"' in raw and stated_usage(raw) is None

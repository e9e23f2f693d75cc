"""What a call to an operation costs: at most, before it is sent, and once its answer is known. No I/O."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.core.values import Usage
from tidegate.metering.prices import Prices
from tidegate.wire.charges.usage import MAX_TOKENS, from_wire
from tidegate.wire.operations.operation import ChargeBasis, Operation

_NO_USAGE = Usage()


class OperationCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a call costs."""

    nanos: int = 0
    """Nano-dollars, with its fees."""
    fee_nanos: int = 0
    """The part that is no tokens: images, characters, seconds."""
    usage: Usage = _NO_USAGE
    unpriced: tuple[str, ...] = ()
    """The model, or else the operation, whose price is not known."""
    is_estimated: bool = False

    @property
    def is_unpriced(self) -> bool:
        """Whether a price was not known."""
        return bool(self.unpriced)


NO_COST = OperationCost()


class OperationPrices:
    """Computes what calls to operations cost."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    def highest(self, operation: Operation, values: Mapping[str, Any], model: str, *, at: float) -> OperationCost:
        """Return the most that a call may cost whose body has these `values`."""
        if operation.charge is ChargeBasis.FREE:
            return NO_COST
        del values, at
        return OperationCost(unpriced=(model or operation.label,))

    def actual(
        self, operation: Operation, values: Mapping[str, Any], model: str, usage: bytes | None, *, at: float
    ) -> OperationCost:
        """Return what a call costs that was answered with this `usage` object, where it stated one."""
        if operation.charge is ChargeBasis.FREE:
            return NO_COST
        del values
        stated = _NO_USAGE if usage is None else from_wire(usage)
        if not stated.input or MAX_TOKENS in (stated.input, stated.output) or not self._prices.has_price(model):
            return OperationCost(unpriced=(model or operation.label,))
        known = self._prices.knows(model)
        return OperationCost(
            nanos=self._prices.cost(model, stated, at=at), usage=stated, unpriced=() if known else (model,)
        )

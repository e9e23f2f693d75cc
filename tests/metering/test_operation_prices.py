"""What an operation costs follows the price list; what is not known is said to be unpriced."""

from tidegate.core.config import MeteringConfig
from tidegate.metering import price_list
from tidegate.metering.operation_prices import NO_COST, OperationPrices
from tidegate.metering.prices import Prices
from tidegate.wire.operations.table import BY_LABEL

PRICES = OperationPrices(Prices(MeteringConfig(), price_list.load()))


def test_files_are_free() -> None:
    assert PRICES.highest(BY_LABEL["files.create"], {}, "", at=0) == NO_COST
    assert PRICES.actual(BY_LABEL["files.create"], {}, "", None, at=0) == NO_COST


def test_a_job_that_is_not_over_has_no_price() -> None:
    assert PRICES.highest(BY_LABEL["batches.create"], {}, "", at=0).unpriced == ("batches.create",)
    assert PRICES.actual(BY_LABEL["batches.create"], {}, "", None, at=0).is_unpriced

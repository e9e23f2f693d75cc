"""The shipped list equals the installed genai-prices; a new version of that library requires a refresh."""

from datetime import date
from decimal import Decimal
from importlib import resources

import pytest
from genai_prices.types import (
    ClauseEndsWith,
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    Tier,
    TieredPrices,
)

from tidegate.metering import price_list
from tidegate.metering.price_list import PricedModel, PricePeriod, Rates
from tidegate.metering.price_refresh import CannotConvert, convert, encode, from_genai_prices

NAMED = ClauseEquals(equals="m")


def test_the_shipped_file_is_up_to_date() -> None:
    shipped = resources.files("tidegate.metering").joinpath(price_list.PRICE_FILE).read_bytes()

    assert shipped == encode(from_genai_prices()), "run `python -m tidegate.metering.price_refresh`"


def test_thresholds_and_dates_are_kept() -> None:
    tiered = TieredPrices(base=Decimal(1), tiers=[Tier(start=100, price=Decimal(2))])
    since = StartDateConstraint(start_date=date(1970, 1, 2))
    info = ModelInfo(
        id="m",
        match=NAMED,
        prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=tiered, output_mtok=Decimal(3))),
            ConditionalPrice(constraint=since, prices=ModelPrice(input_mtok=Decimal("0.5"))),
        ],
    )

    assert convert(info) == PricedModel(
        equals=("m",),
        periods=(
            PricePeriod(
                rates=(Rates(input=10**9, output=3 * 10**9), Rates(above=100, input=2 * 10**9, output=3 * 10**9))
            ),
            PricePeriod(since=86_400.0, rates=(Rates(input=5 * 10**8),)),
        ),
    )


@pytest.mark.parametrize(
    "info",
    [
        ModelInfo(id="m", match=ClauseEndsWith(ends_with="m"), prices=ModelPrice(input_mtok=Decimal(1))),
        ModelInfo(id="m", match=NAMED, prices=ModelPrice(input_mtok=Decimal("1e-10"))),
        ModelInfo(
            id="m",
            match=NAMED,
            prices=[ConditionalPrice(constraint=object(), prices=ModelPrice(input_mtok=Decimal(1)))],  # type: ignore[arg-type]  # a kind yet to come
        ),
    ],
)
def test_a_price_that_cannot_be_kept_is_an_error_and_not_a_guess(info: ModelInfo) -> None:
    with pytest.raises(CannotConvert):
        convert(info)

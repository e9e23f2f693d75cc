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
    PriceVariant,
    StartDateConstraint,
    Tier,
    TieredPrices,
)

from tidegate.metering import price_list
from tidegate.metering.price_list import PricedModel, PricePeriod, Rates, encode
from tidegate.metering.price_refresh import CannotConvert, convert, from_genai_prices

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


def test_each_kind_of_tokens_is_kept() -> None:
    keys = (
        "input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok", "input_audio_mtok",
        "cache_audio_read_mtok", "output_audio_mtok", "input_image_mtok", "cache_image_read_mtok", "output_image_mtok",
    )  # fmt: skip
    info = ModelInfo(id="m", match=NAMED, prices=ModelPrice(**{key: Decimal(1 + n) for n, key in enumerate(keys)}))

    [period] = convert(info).periods

    kept = [getattr(period.rates[0], name) for name in Rates.__struct_fields__ if name != "above"]
    assert sorted(kept) == [10**9 * (1 + n) for n in range(len(keys))]


@pytest.mark.parametrize(
    ("model", "fees"),
    [
        ("gpt-4.1", {}),
        ("gpt-4o-mini", {"web_search": 11_200_000}),  # and 8,000 input tokens
        ("gpt-5", {"web_search_preview": 10_000_000}),
        ("gpt-5-chat-latest", {}),
        ("o3", {"web_search_preview": 10_000_000}),
    ],
)
def test_tools_have_the_prices_of_all_models_or_their_own(model: str, fees: dict[str, int]) -> None:
    prices = ModelPrice(input_mtok=Decimal(1), web_searches_kcount=Decimal(10), storage_searches_kcount=Decimal("2.5"))

    assert convert(ModelInfo(id=model, match=NAMED, prices=prices)).fees == fees


def test_a_tool_that_costs_another_price_with_one_model_is_kept() -> None:
    prices = ModelPrice(input_mtok=Decimal(1), web_searches_kcount=Decimal(12))

    assert convert(ModelInfo(id="m", match=NAMED, prices=prices)).fees == {"web_search": 12_000_000}


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
        ModelInfo(id="m", match=NAMED, prices=ModelPrice(input_mtok=Decimal(1), input_video_mtok=Decimal(1))),
        ModelInfo(id="m", match=NAMED, prices=ModelPrice(input_mtok=Decimal(1), audio_hours=Decimal(1))),
        ModelInfo(id="m", match=NAMED, prices=ModelPrice(input_audio_mtok=Decimal(1))),
        ModelInfo(id="m", match=NAMED, prices=ModelPrice(map_searches_kcount=Decimal(1))),
        ModelInfo(id="m", match=NAMED, prices=ModelPrice(input_smell_mtok=Decimal(1))),
        ModelInfo(
            id="m",
            match=NAMED,
            prices=ModelPrice(input_mtok=Decimal(1)),
            price_variants=[PriceVariant(when={"region": "eu"}, prices=ModelPrice(input_mtok=Decimal(2)))],
        ),
        ModelInfo(
            id="m",
            match=NAMED,
            prices=ModelPrice(input_mtok=Decimal(1), cache_write_mtok=Decimal(2)),
            price_variants=[PriceVariant(when={"service_tier": "flex"}, prices=ModelPrice(input_mtok=Decimal(1)))],
        ),
    ],
)
def test_a_price_that_cannot_be_kept_is_an_error_and_not_a_guess(info: ModelInfo) -> None:
    with pytest.raises(CannotConvert):
        convert(info)

"""The simulated OpenAI charges OpenAI's list prices, or given ones, exactly."""

from pathlib import Path

import pytest

from tidegate.core.config import MeteringConfig
from tidegate.core.values import Usage
from tidegate.metering import price_list
from tidegate.metering.prices import Prices
from tidegate.simulator.billing.tariff import Price, Tariff, TokenUsage, load

NOON = 1_795_000_000.0


@pytest.mark.parametrize(
    ("price", "used", "nanos"),
    [
        (Price(input="0.15", cached="0.075", output="0.60"), TokenUsage(input=100, cached=40, output=50), 42_000),
        (Price(input="0.15", output="0.60"), TokenUsage(input=100, cached=40), 15_000),
        (Price(input="0.0005"), TokenUsage(input=1), 1),
        (Price(input="0.0004"), TokenUsage(input=1), 0),
        (Price(), TokenUsage(input=10, output=10), 0),
    ],
)
def test_tokens_cost_to_the_nano_dollar(price: Price, used: TokenUsage, nanos: int) -> None:
    assert Tariff({"m": price}).nanos("m", used) == nanos


def test_a_snapshot_costs_what_its_model_costs_and_an_unknown_model_has_no_price() -> None:
    tariff = Tariff({"m": Price(input="1")})
    assert tariff.nanos("m-2026-01-31", TokenUsage(input=1)) == 1000
    assert tariff.nanos("n", TokenUsage(input=1)) is None


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "gpt-5", "o4-mini", "text-embedding-3-small"])
def test_its_own_list_says_what_the_gateways_list_says(model: str) -> None:
    used = TokenUsage(input=1_000_003, cached=777, output=0 if "embedding" in model else 12_345)
    results = Usage(input=used.input, cached=used.cached, output=used.output)
    assert load().nanos(model, used) == Prices(MeteringConfig(), price_list.load()).cost(model, results, at=NOON)


@pytest.mark.parametrize("text", ["[]", "{", '{"m": 1}', '{"m": {"input": "cheap"}}', '{"m": {"price": "1"}}'])
def test_a_file_that_holds_no_prices_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="price"):
        load(file)

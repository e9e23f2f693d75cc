"""The simulated OpenAI charges OpenAI's list prices, or given ones, exactly."""

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from tidegate.core.config import MeteringConfig
from tidegate.core.values import Usage
from tidegate.metering import price_list
from tidegate.metering.prices import Prices
from tidegate.simulator.billing import tariff
from tidegate.simulator.billing.tariff import BATCH, Price, Tariff, TokenUsage, load

NOON = 1_795_000_000.0
PRICES = Path(tariff.__file__).with_name("prices.json")


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


@pytest.mark.parametrize(
    ("model", "used", "nanos"),
    [
        ("whisper-1", TokenUsage(units=(("audio_minute", Fraction(1, 2)),)), 3_000_000),
        ("tts-1", TokenUsage(units=(("million_characters", Fraction(11, 1_000_000)),)), 165_000),
        ("dall-e-3", TokenUsage(units=(("image hd 1024x1792", Fraction(2)),)), 240_000_000),
        ("dall-e-3", TokenUsage(units=(("image hd 1x1", Fraction(2)),)), None),
        ("sora-2", TokenUsage(units=(("video_second 720x1280", Fraction(4)),)), 400_000_000),
        ("gpt-4o", TokenUsage(input=100, output=10, tier=BATCH), 175_000),
        ("gpt-4o-mini", TokenUsage(input=1, cached=1, tier=BATCH), 38),
        ("ft:gpt-4o-mini-2024-07-18:org::abc", TokenUsage(input=10), 3_000),
    ],
)
def test_units_batches_and_fine_tuned_models_have_their_prices(model: str, used: TokenUsage, nanos: int | None) -> None:
    assert load().nanos(model, used) == nanos


def test_a_snapshot_costs_what_its_model_costs_and_an_unknown_model_has_no_price() -> None:
    own = Tariff({"m": Price(input="1")})
    assert own.nanos("m-2026-01-31", TokenUsage(input=1)) == 1000
    assert own.nanos("n", TokenUsage(input=1)) is None


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "gpt-5", "o4-mini", "text-embedding-3-small"])
def test_its_own_list_says_what_the_gateways_list_says(model: str) -> None:
    used = TokenUsage(input=1_000_003, cached=777, output=0 if "embedding" in model else 12_345)
    results = Usage(input=used.input, cached=used.cached, output=used.output)
    assert load().nanos(model, used) == Prices(MeteringConfig(), price_list.load()).cost(model, results, at=NOON)


KINDS = TokenUsage(
    input=100_000, cached=40_000, cache_write=30_000, input_audio=20_000, cached_audio=9_000, input_image=10_000,
    cached_image=3_000, output=5_000, output_audio=2_000, output_image=1_000,
)  # fmt: skip


@pytest.mark.parametrize("tier", ["default", "flex", "priority"])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("model", [name for name in msgspec.json.decode(PRICES.read_bytes()) if name[:3] != "ft:"])
def test_each_kind_tier_and_length_costs_what_the_gateway_charges(model: str, size: int, tier: str) -> None:
    """Two readings of one price page: the lists were made apart, and have different forms."""
    counts = {name: size * getattr(KINDS, name) for name in Usage.__struct_fields__ if hasattr(KINDS, name)}
    if "embedding" in model:
        counts = {"input": counts["input"]}

    ours = Prices(MeteringConfig(), price_list.load()).cost(model, Usage(**counts), at=NOON, tier=tier)

    assert load().nanos(model, TokenUsage(**counts, tier=tier)) == ours


@pytest.mark.parametrize(
    ("model", "fee", "nanos"),
    [
        ("gpt-5", "web_search", 10_000_000),
        ("gpt-4o-mini", "web_search", 11_200_000),
        ("gpt-4.1-mini", "web_search", 13_200_000),
        ("gpt-5", "web_search_preview", 10_000_000),
        ("gpt-4o", "web_search_preview", 25_000_000),
        ("gpt-4o", "file_search", 2_500_000),
        ("gpt-4o", "container 1g", 30_000_000),
        ("gpt-4o", "container 64g", 1_920_000_000),
        ("gpt-4o", "image gpt-image-1.5 1056", 40 * 5_000 + 1056 * 32_000),
        ("gpt-4o", "image unheard-of 1056", 0),
    ],
)
def test_a_fee_is_added_to_the_tokens(model: str, fee: str, nanos: int) -> None:
    tokens = load().nanos(model, TokenUsage(input=100, output=10))
    assert tokens is not None

    assert load().nanos(model, TokenUsage(input=100, output=10, fees=(fee, fee))) == tokens + 2 * nanos


@pytest.mark.parametrize("text", ["[]", "{", '{"m": 1}', '{"m": {"input": "cheap"}}', '{"m": {"price": "1"}}'])
def test_a_file_that_holds_no_prices_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="price"):
        load(file)

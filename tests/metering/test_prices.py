"""A call's price equals genai-prices to the nano-dollar, and an unknown price is said to be unknown."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import structlog
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.config import MeteringConfig, ModelPrice
from tidegate.core.values import Usage
from tidegate.metering import price_list
from tidegate.metering.prices import MAX_CACHED_NAMES, MAX_WARNINGS, Prices

NOVEMBER = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
OPENAI = next(provider for provider in providers if provider.id == "openai")
LIST = price_list.load()


UNKNOWN = ModelPrice(input=Decimal(10), output=Decimal(40))


def prices(**config: Any) -> Prices:
    return Prices(MeteringConfig(**config), LIST)


@pytest.mark.parametrize(
    ("model", "usage", "nanos"),
    [
        ("gpt-4o-mini", Usage(input=1000, output=100), 210_000),
        ("gpt-4o-mini", Usage(input=1000, cached=1000), 75_000),
        ("gpt-4o-mini", Usage(input=1000, cached=400, output=100), 90_000 + 30_000 + 60_000),
        ("GPT-4o-mini-2024-07-18", Usage(input=1000, output=100), 210_000),
        ("gpt-4o-mini-2031-01-01", Usage(input=1000, output=100), 210_000),
        ("gpt-4o-mini-20310101", Usage(input=1000, output=100), 210_000),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", Usage(input=1000, output=100), 420_000),
        (
            "gpt-audio",
            Usage(input=1000, input_audio=500, output=100, output_audio=100),
            1_250_000 + 16_000_000 + 6_400_000,
        ),
        (
            "gpt-5.6-sol",
            Usage(input=10_000, cached=2_000, cache_write=7_000, output=100),
            4_000_000 + 800_000 + 35_000_000 + 2_000_000,  # 0.0418 USD
        ),
        (
            "gpt-realtime",
            Usage(input=100, cached=50, input_audio=40, cached_audio=20, input_image=30, cached_image=10),
            10 * 4_000 + 20 * 400 + 20 * 32_000 + 20 * 400 + 20 * 5_000 + 10 * 500,
        ),
        ("gpt-realtime", Usage(input=100, cached=90, input_audio=50), 50 * 400 + 10 * 32_000 + 40 * 400),
        ("gpt-audio", Usage(input=10, cached=10, input_audio=10), 320_000),  # no discount is listed
        ("chatgpt-image-latest", Usage(input=1, output=9, output_image=8), 5_000 + 10_000 + 8 * 32_000),
        ("gpt-4o-audio-preview", Usage(input=2, input_audio=1, output=1, output_audio=1), 2_500 + 40_000 + 80_000),
        ("text-embedding-3-small", Usage(input=7), 140),
        ("gpt-6-luna", Usage(input=272_000, output=10), 27_200_000 + 5_000),
        ("gpt-6-luna", Usage(input=272_001, output=10), 54_400_200 + 7_500),
        ("omni-moderation-latest", Usage(input=1000), 0),
        ("o1-pro", Usage(input=10, cached=10), 1_500_000),
        ("gpt-5-nano", Usage(input=1, cached=1), 5),
        ("gpt-6-luna", Usage(input=1, cached=1), 10),
        ("nobody-knows-it", Usage(), 0),
    ],
)
def test_a_call_costs(model: str, usage: Usage, nanos: int) -> None:
    assert prices().cost(model, usage, at=NOVEMBER) == nanos


@pytest.mark.parametrize(("day", "nanos"), [("2025-06-09", 10_000), ("2025-06-10", 2_000)])
def test_a_price_that_changed_counts_from_its_day_in_utc(day: str, nanos: int) -> None:
    at = datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()

    assert prices().cost("o3", Usage(input=1), at=at) == nanos


def test_half_a_nano_dollar_is_rounded_up_once_for_the_whole_call() -> None:
    half = prices(prices={"odd": ModelPrice(input=Decimal("0.0005"), output=Decimal("0.0005"))})

    assert half.cost("odd", Usage(input=1), at=NOVEMBER) == 1
    assert half.cost("odd", Usage(input=1, output=1), at=NOVEMBER) == 1


@pytest.mark.parametrize(
    ("tier", "nanos"), [(None, 1_250), ("default", 1_250), ("flex", 625), ("priority", 2_500), ("made-up", 1_250)]
)
def test_the_service_tier_that_the_answer_states_is_charged(tier: str | None, nanos: int) -> None:
    assert prices().cost("gpt-5", Usage(input=1), at=NOVEMBER, tier=tier) == nanos


def test_a_configured_price_wins_for_the_model_and_its_dated_snapshots() -> None:
    cheap = prices(prices={"gpt-4o": ModelPrice(input=Decimal(1), cached=Decimal("0.5"), output=Decimal(2))})

    for model in ("gpt-4o", "GPT-4o", "gpt-4o-2024-08-06"):
        assert cheap.cost(model, Usage(input=2, cached=1, output=1), at=NOVEMBER) == 3_500
    assert cheap.cost("gpt-4o-mini", Usage(input=1000), at=NOVEMBER) == 150_000


@pytest.mark.parametrize(
    ("target", "model", "nanos"),
    [
        ("vllm/llama-3", "llama-3", 1_000),
        ("vLLM/Llama-3", "meta-llama/Llama-3-8B", 1_000),  # whatever its name is
        ("vllm/llama-3-2026-01-01", "llama-3", 1_000),
        ("vllm/gpt-4o", "gpt-4o", 2_000),
        ("vllm/meta-llama/llama-4", "llama-4", 2_000),
        ("azure/llama-3", "llama-3", 3_000),
        ("azure/gpt-4o", "gpt-4o-2024-08-06", 2_500),
        ("azure/my-own", "gpt-4o-2024-08-06", 2_500),  # unknown, so the name in the answer counts
        ("azure/gpt-4o", "my-own", 2_500),
        ("", "llama-3", 3_000),
        ("azure/unheard", "of", 10_000),
    ],
)
def test_the_price_of_the_target_wins_then_that_of_the_model_that_answered(target: str, model: str, nanos: int) -> None:
    names = {"vllm/Llama-3": 1, "vllm/*": 2, "llama-3": 3}
    own = {name: ModelPrice(input=Decimal(usd), output=Decimal(9)) for name, usd in names.items()}
    ours = prices(prices=own, unknown_model_price=UNKNOWN)

    assert ours.cost(model, Usage(input=1), at=NOVEMBER, target=target) == nanos
    assert ours.max_cost(model, Usage(input=1), at=NOVEMBER, tier="default", targets=[target]) >= nanos


@pytest.mark.parametrize(
    ("model", "usage", "nanos"),
    [
        ("gpt-5.6-sol", Usage(input=10, output=1), 50_000 + 20_000),  # all of it may be written to the cache
        ("gpt-audio", Usage(input=10, output=1), 320_000 + 64_000),
        ("chatgpt-image-latest", Usage(input=10, output=1), 80_000 + 32_000),
    ],
)
def test_the_dearest_kind_is_held(model: str, usage: Usage, nanos: int) -> None:
    assert prices().max_cost(model, usage, at=NOVEMBER, tier="default") == nanos


def test_a_configured_price_may_name_each_kind() -> None:
    kinds = dict(zip(KINDS, range(1, 12), strict=True))
    ours = prices(prices={"own": ModelPrice(**{name: Decimal(usd) for name, usd in kinds.items()})})
    usage = Usage(
        input=8, cached=3, cache_write=2, cache_write_1h=1, input_audio=2, cached_audio=1, input_image=2,
        cached_image=1, output=3, output_audio=1, output_image=1,
    )  # fmt: skip

    assert ours.cost("own", usage, at=NOVEMBER) == 1_000 * sum(kinds.values())


def test_a_target_may_be_free() -> None:
    ours = prices(prices={"vllm/*": ModelPrice(input=Decimal(0))})

    assert ours.max_cost("llama-3", Usage(input=9, output=9), at=NOVEMBER, targets=["vllm/llama-3"]) == 0


def test_a_target_that_nobody_priced_is_warned_of_by_the_name_to_configure() -> None:
    with structlog.testing.capture_logs() as logs:
        prices().cost("llama-3", Usage(input=1), at=NOVEMBER, target="vllm/llama-3")

    assert logs[0]["model"] == "vllm/llama-3"
    assert logs[0]["remedy"].startswith('set [metering.prices."vllm/llama-3"]')


def test_an_unknown_model_costs_the_configured_price_and_is_warned_of_once() -> None:
    ours = prices(unknown_model_price=ModelPrice(input=Decimal(7), output=Decimal(9)))

    with structlog.testing.capture_logs() as logs:
        costs = [ours.cost("llama-99", Usage(input=1, output=1), at=NOVEMBER) for _ in range(3)]

    assert costs == [16_000] * 3
    assert [(line["log_level"], line["model"]) for line in logs] == [("warning", "llama-99")]


@pytest.mark.parametrize("model", ["tts-1", "whisper-1", "gpt-4o-mini-x", "", "moderat"])
def test_a_model_without_a_token_price_costs_the_default_and_is_known_as_unpriced(model: str) -> None:
    ours = prices(unknown_model_price=UNKNOWN)

    assert ours.cost(model, Usage(input=1), at=NOVEMBER) == 10_000
    assert (ours.knows(model), ours.has_price(model)) == (False, True)


def test_without_a_default_no_price_is_made_up() -> None:
    ours = prices()

    with structlog.testing.capture_logs() as logs:
        assert ours.cost("llama-99", Usage(input=1, output=1), at=NOVEMBER) == 0
        assert ours.max_cost("llama-99", Usage(input=1, output=1), at=NOVEMBER) == 0

    assert (ours.knows("llama-99"), ours.has_price("llama-99")) == (False, False)
    assert [line["event"] for line in logs] == ["price unknown: not charged"]
    assert (ours.knows("gpt-4o"), ours.has_price("gpt-4o")) == (True, True)


def test_any_number_of_made_up_names_leaves_memory_and_log_bounded() -> None:
    ours = prices(unknown_model_price=UNKNOWN)

    with structlog.testing.capture_logs() as logs:
        for number in range(3 * MAX_CACHED_NAMES):
            assert ours.cost(f"made-up-{number}", Usage(input=1), at=NOVEMBER) == 10_000

    assert len(logs) == MAX_WARNINGS
    assert [line["last_warning"] for line in logs[-2:]] == [False, True]


@pytest.mark.parametrize(
    ("tool", "model", "target", "nanos"),
    [
        ("web_search", "gpt-5", "openai/gpt-5", 10_000_000),
        ("web_search", "gpt-4o-mini-2024-07-18", "", 11_200_000),  # and a block of 8,000 input tokens
        ("web_search", "never-heard-of", "", 10_000_000),
        ("web_search_preview", "gpt-4o", "", 25_000_000),
        ("web_search_preview", "o4-mini", "", 10_000_000),
        ("file_search", "gpt-5", "", 2_500_000),
        ("x_search", "grok-5", "xai/grok-5", 5_000_000),
        ("web_search", "grok-5", "xai/grok-5", 4_000_000),
        ("file_search", "grok-5", "xai/grok-5", 3_000_000),
        ("x_search", "grok-5", "", None),
        ("tea_making", "gpt-5", "openai/gpt-5", None),
    ],
)
def test_the_use_of_a_tool_costs(tool: str, model: str, target: str, nanos: int | None) -> None:
    xai = ModelPrice(input=Decimal(1), tool_prices={"x_search": Decimal("0.005"), "web_search": Decimal("0.004")})
    ours = prices(prices={"xai/*": xai})
    everywhere = prices(prices={"xai/*": xai}, tool_prices={"file_search": Decimal("0.003")})

    assert (everywhere if nanos == 3_000_000 else ours).fee(tool, model, target=target) == nanos


KINDS = (
    "input", "cached", "cache_write", "cache_write_1h", "output", "input_audio", "cached_audio", "output_audio",
    "input_image", "cached_image", "output_image",
)  # fmt: skip
TOKENS = st.integers(0, 10**6)


@given(
    info=st.sampled_from([info for info in OPENAI.models if info.id != "moderation"]),
    tier=st.sampled_from([None, "default", "flex", "priority", "fast"]),
    counts=st.tuples(TOKENS, TOKENS, TOKENS, TOKENS),
    day=st.dates(datetime(2025, 1, 1, tzinfo=UTC).date(), datetime(2027, 1, 1, tzinfo=UTC).date()),
)
def test_every_listed_price_is_what_the_library_computes(info: Any, tier: str | None, counts: Any, day: Any) -> None:
    moment = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    name = info.id if info.is_match(info.id) else _a_name(info)
    first = OPENAI.find_model(name)
    fresh, cached, written, output = counts
    bought = fresh + cached + written
    theirs = TheirUsage(input_tokens=bought, cache_read_tokens=cached, cache_write_tokens=written, output_tokens=output)
    if first is None or first.get_prices(moment).input_mtok is None:
        return
    expected = first.calc_price(
        theirs, OPENAI, genai_request_timestamp=moment, price_context={"service_tier": tier} if tier else None
    ).total_price

    usage = Usage(input=bought, cached=cached, cache_write=written, output=output)
    ours = prices().cost(name, usage, at=moment.timestamp(), tier=tier)

    assert ours == (expected * 10**9).to_integral_value(ROUND_HALF_UP)


def _a_name(info: Any) -> str:
    clause = getattr(info.match, "or_", [info.match])[0]
    return str(next(iter(vars(clause).values())))

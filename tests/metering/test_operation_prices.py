"""What an operation costs follows the price list; what is not known is said to be unpriced."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tidegate.core.config import MeteringConfig
from tidegate.metering import price_list
from tidegate.metering.operation_prices import NO_COST, OperationCall, OperationPrices
from tidegate.metering.prices import Prices
from tidegate.wire.operations.stated import stated_in
from tidegate.wire.operations.table import BY_LABEL

MILLI = 1_000_000
"""Nano-dollars in a thousandth of a dollar."""
NOW = 1_796_000_000.0


def prices(**config: Any) -> OperationPrices:
    return OperationPrices(Prices(MeteringConfig(**config), price_list.load()))


PRICES = prices()


def call(label: str, model: str = "", *, body_bytes: int | None = None, **values: Any) -> OperationCall:
    return OperationCall(operation=BY_LABEL[label], values=values, model=model, size=body_bytes, at=NOW)


def answer(**fields: Any) -> Any:
    return stated_in(msgspec.json.encode(fields))


def tokens(read: int, written: int, **details: Any) -> dict[str, Any]:
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written, **details}


@pytest.mark.parametrize("label", ["files.create", "files.content", "uploads.complete", "videos.download_content"])
def test_what_is_free_costs_nothing(label: str) -> None:
    assert PRICES.highest(call(label)) == NO_COST
    assert PRICES.actual(call(label)) == NO_COST


@pytest.mark.parametrize(
    "label",
    ["batches.create", "vector_stores.create", "vector_stores.search", "evals.runs.create", "fine_tuning.jobs.create"],
)
def test_what_is_not_known_is_unpriced_and_never_free(label: str) -> None:
    assert PRICES.highest(call(label)).unpriced == (label,)
    assert PRICES.actual(call(label)).is_unpriced


@pytest.mark.parametrize(
    ("asked", "stated", "milli"),
    [
        (call("audio.speech.create", "tts-1", input="a" * 1000), {}, "15"),
        (call("audio.speech.create", "tts-1-hd", input="ä" * 100), {}, "3"),
        (
            call("audio.speech.create", "gpt-4o-mini-tts", input="hello"),
            {"type": "speech.audio.done", "usage": tokens(14, 101)},
            "1.2204",
        ),
        (call("audio.transcriptions.create", "whisper-1"), {"usage": {"type": "duration", "seconds": 90}}, "9"),
        (call("audio.transcriptions.create", "whisper-1"), {"text": "x", "duration": 8.47}, "0.9"),
        (call("audio.translations.create", "whisper-1"), {"text": "x", "duration": "60"}, "6"),
        (call("audio.transcriptions.create", "gpt-transcribe"), {"usage": {"type": "duration", "seconds": 60}}, "4.5"),
        (
            call("audio.transcriptions.create", "gpt-4o-transcribe"),
            {"usage": tokens(114, 45, type="tokens", input_token_details={"audio_tokens": 100, "text_tokens": 14})},
            "1.085",
        ),
        (call("images.generate", "dall-e-3", quality="hd", size="1792x1024"), {"data": [{"url": "x"}]}, "120"),
        (call("images.generate", n=3), {"data": [{}, {}, {}]}, "60"),
        (call("images.create_variation", size="256x256", n="2"), {"data": [{}, {}]}, "32"),
        (
            call("images.generate", "gpt-image-1"),
            {"usage": tokens(50, 4160, input_tokens_details={"text_tokens": 10, "image_tokens": 40})},
            "166.85",
        ),
        (call("videos.create", "sora-2", seconds="8"), {"model": "sora-2", "seconds": "8", "size": "1280x720"}, "800"),
        (call("videos.remix"), {"model": "sora-2-pro", "seconds": "4", "size": "1792x1024"}, "2000"),
        (
            call("videos.create", "sora-2-2025-10-06"),
            {"model": "sora-2-2025-10-06", "seconds": "4", "size": "720x1280"},
            "400",
        ),
        (call("containers.create"), {"id": "cntr_1"}, "30"),
        (call("containers.create", memory_limit="64g"), {}, "1920"),
        (
            call("completions.create", "gpt-3.5-turbo-instruct"),
            {"usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}},
            "2.5",
        ),
    ],
)
def test_the_cost_is_that_of_the_price_page(asked: OperationCall, stated: dict[str, Any], milli: str) -> None:
    cost = PRICES.actual(asked, answer(**stated))
    assert Decimal(cost.nanos) == Decimal(milli) * MILLI
    assert not cost.is_unpriced
    assert not cost.is_estimated


@pytest.mark.parametrize(
    ("asked", "stated"),
    [
        (call("audio.speech.create", "tts-1", input="a" * 1000), {}),
        (call("audio.speech.create", "gpt-4o-mini-tts", input="hello" * 20), {"usage": tokens(26, 110)}),
        (
            call("audio.transcriptions.create", "whisper-1", body_bytes=8000 * 60),
            {"usage": {"type": "duration", "seconds": 60}},
        ),
        (
            call("audio.transcriptions.create", "gpt-4o-transcribe", body_bytes=8000 * 60),
            {"usage": tokens(600, 200, input_token_details={"audio_tokens": 600})},
        ),
        (call("images.generate", "dall-e-3", n=2), {"data": [{}, {}]}),
        (
            call("images.generate", "gpt-image-1", prompt="a tide", quality="low", size="1024x1024"),
            {"usage": tokens(9, 272)},
        ),
        (
            call("images.edit", "gpt-image-1.5", prompt="a"),
            {"usage": tokens(7000, 6208, input_tokens_details={"image_tokens": 6900})},
        ),
        (
            call("videos.create", "sora-2-pro", seconds="12", size="1792x1024"),
            {"model": "sora-2-pro", "seconds": "12", "size": "1792x1024"},
        ),
        (call("videos.edit"), {"model": "sora-2", "seconds": "12", "size": "1280x720"}),
        (
            call("completions.create", "gpt-3.5-turbo-instruct", prompt=["one", "two"], max_tokens=30, n=2),
            {"usage": {"prompt_tokens": 2, "completion_tokens": 120, "total_tokens": 122}},
        ),
        (call("containers.create", memory_limit="4g"), {}),
    ],
)
def test_no_call_costs_more_than_was_held_for_it(asked: OperationCall, stated: dict[str, Any]) -> None:
    highest = PRICES.highest(asked)
    assert 0 < PRICES.actual(asked, answer(**stated)).nanos <= highest.nanos
    assert not highest.is_unpriced


@pytest.mark.parametrize(
    "asked",
    [
        call("images.generate", "dall-e-9"),
        call("audio.speech.create", "tts-9", input="x"),
        call("audio.transcriptions.create", "whisper-9", body_bytes=100),
        call("audio.transcriptions.create", "whisper-1"),
        call("videos.create", "sora-2", size="1x1"),
        call("completions.create", "unheard-of", prompt="x"),
    ],
)
def test_a_model_or_size_without_a_price_is_unpriced(asked: OperationCall) -> None:
    assert PRICES.highest(asked).is_unpriced


def test_a_transcript_that_states_no_length_is_unpriced() -> None:
    assert PRICES.actual(call("audio.transcriptions.create", "whisper-1"), answer(text="x")).is_unpriced


def test_a_transcript_of_an_own_model_is_charged_by_what_its_answer_states() -> None:
    own = prices(
        prices={"mine": {"input": 1, "output": 10}},
        tool_prices={"mine:hour": Decimal("0.36"), "other:hour": Decimal("0.36")},
    )
    mine, other = (call("audio.transcriptions.create", model, body_bytes=75_000) for model in ("mine", "other"))
    by_tokens, by_time = answer(usage=tokens(14, 45)), answer(usage={"type": "duration", "seconds": 90})
    assert own.actual(mine, by_tokens).nanos == 14 * 1000 + 45 * 10_000
    assert own.actual(mine, by_time).nanos == own.actual(other, by_time).nanos == 9_000_000
    assert own.actual(other, by_tokens).is_unpriced
    assert own.highest(mine).nanos >= own.highest(other).nanos


def test_sound_that_states_no_usage_is_estimated() -> None:
    asked = call("audio.speech.create", "gpt-4o-mini-tts", input="The tide is high. " * 10)
    cost = PRICES.actual(asked)
    assert cost.is_estimated
    assert 0 < cost.nanos <= PRICES.highest(asked).nanos


def test_an_answer_without_its_usage_costs_the_most_that_it_may() -> None:
    asked = call("completions.create", "gpt-3.5-turbo-instruct", prompt="x", max_tokens=10)
    cost = PRICES.actual(asked)
    assert (cost.nanos, cost.is_estimated) == (PRICES.highest(asked).nanos, True)


@pytest.mark.parametrize("priced", ["local/mine", "local/*", "mine"])
def test_the_operator_prices_the_models_of_the_provider_that_has_the_operations(priced: str) -> None:
    rates = {priced: {"input": 1, "output": 2, "tool_prices": {"mine:character": 0.001}}}
    own = OperationPrices(Prices(MeteringConfig(prices=rates), price_list.load()), provider="local")
    asked = call("completions.create", "mine", prompt="x", max_tokens=10)
    assert not own.highest(asked).is_unpriced
    cost = own.actual(asked, answer(usage={"prompt_tokens": 3, "completion_tokens": 4}))
    assert (cost.nanos, cost.is_unpriced) == (3 * 1000 + 4 * 2000, False)
    assert own.highest(call("audio.speech.create", "mine", input="four")).nanos == 4 * MILLI
    elsewhere = OperationPrices(Prices(MeteringConfig(prices=rates), price_list.load()), provider="other")
    assert elsewhere.highest(asked).is_unpriced == (priced != "mine")


def test_the_operator_sets_other_prices() -> None:
    own = prices(tool_prices={"tts-1:character": Decimal("0.001"), "code_interpreter": Decimal("0.5")})
    assert own.actual(call("audio.speech.create", "tts-1", input="abc")).nanos == 3 * MILLI
    assert own.actual(call("containers.create")).nanos == 500 * MILLI

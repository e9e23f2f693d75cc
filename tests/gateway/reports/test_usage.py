"""Reports about usage and money of other gateways, each named after its thread: the ledger equals the bill here."""

from typing import Any

import pytest

from tests.gateway import response_shapes
from tests.gateway.reports.setting import before
from tests.gateway.stream_shapes import WORDS, Shape, event, said
from tests.harness import World
from tidegate.wire import sse

Json = dict[str, Any]

PRICES: Json = {
    "m": {
        "input": 1, "cached": "0.1", "cache_write": "1.25", "output": 4, "input_audio": 32, "cached_audio": "0.4",
    },
}  # fmt: skip
"""Dollars for a million tokens, so nano-dollars times 1000 for a token."""


def stating(*usages: Json) -> tuple[bytes, ...]:
    """Return an answer whose chunks after the words state these."""
    return (
        said(content=WORDS), said("stop"), *(event([{"index": 0, "delta": {}}], usage=usage) for usage in usages),
        sse.DONE,
    )  # fmt: skip


def counting_on(*usages: Json) -> tuple[bytes, ...]:
    """Return an answer that states usage with each word."""
    spoken = [event([{"index": 0, "delta": {"content": WORDS}}], usage=usage) for usage in usages]
    return (*spoken, said("stop"), sse.DONE)


USAGES: dict[str, tuple[tuple[bytes, ...], Json]] = {
    "litellm_11789_zeros_beside_anthropics_names": (
        stating({
            "prompt_tokens": 2459, "completion_tokens": 23, "total_tokens": 2482, "cache_read_input_tokens": 2455,
            "prompt_tokens_details": {"audio_tokens": None, "cached_tokens": 0}, "cache_creation_input_tokens": 0,
            "completion_tokens_details": {"accepted_prediction_tokens": None, "reasoning_tokens": 0},
        }),
        {"input_tokens": 2459, "cached_tokens": 2455, "output_tokens": 23,
         "cost_nanos": 4 * 1000 + 2455 * 100 + 23 * 4000},
    ),
    "bifrost_5354_the_whole_prompt_first_and_its_uncached_rest_last": (
        stating(
            {"prompt_tokens": 10000, "completion_tokens": 1, "cache_read_input_tokens": 0},
            {"prompt_tokens": 200, "completion_tokens": 50, "cache_read_input_tokens": 9800,
             "cache_creation_input_tokens": 0},
        ),
        {"input_tokens": 10000, "cached_tokens": 9800, "output_tokens": 50,
         "cost_nanos": 200 * 1000 + 9800 * 100 + 50 * 4000},
    ),
    "langwatch_7048_cached_sound": (
        stating({
            "prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010,
            "prompt_tokens_details": {"cached_tokens": 700, "audio_tokens": 800, "text_tokens": 200,
                                      "cached_tokens_details": {"audio_tokens": 600, "text_tokens": 100}},
        }),
        {"input_tokens": 1000, "cached_tokens": 700,
         "cost_nanos": 200 * 32000 + 600 * 400 + 100 * 1000 + 100 * 100 + 10 * 4000},
    ),
    "wso2_3331_details_of_one_token": (
        stating({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010,
                 "prompt_token_details": {"cached_tokens": 900}}),
        {"input_tokens": 1000, "cached_tokens": 900, "cost_nanos": 100 * 1000 + 900 * 100 + 10 * 4000},
    ),
    "litellm_36943_databricks_counts_on": (
        counting_on(
            {"prompt_tokens": 107, "completion_tokens": None, "total_tokens": None},
            {"prompt_tokens": 107, "completion_tokens": 20, "total_tokens": 127, "cache_read_input_tokens": 100,
             "cache_creation_input_tokens": 0},
        ),
        {"input_tokens": 107, "cached_tokens": 100, "output_tokens": 20,
         "cost_nanos": 7 * 1000 + 100 * 100 + 20 * 4000},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", USAGES)
async def test_a_report_about_usage(world: World, name: str) -> None:
    pieces, line_of = USAGES[name]
    async with before(world, Shape(means="", pieces=pieces).play, metering={"prices": PRICES}) as (gateway, _):
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        assert (await gateway.chat(body)).status == 200
    [line] = await world.ledger_entries(1)
    assert {field: line[field] for field in line_of} == line_of


@pytest.mark.parametrize("place", ["response", "usage"])
async def test_litellm_17748_the_tier_of_a_response(world: World, place: str) -> None:
    usage = {**response_shapes.USAGE, **({"service_tier": "flex"} if place == "usage" else {})}
    told = {"service_tier": "flex"} if place == "response" else {}
    end = response_shapes.end("completed", [response_shapes.MESSAGE], usage=usage, model="gpt-5-nano", **told)
    shape = Shape(means="", pieces=(response_shapes.CREATED, *response_shapes.SPOKEN, end))
    async with before(world, shape.play) as (gateway, _):
        body = {"model": "gpt-5-nano", "input": "Hi", "service_tier": "flex", "stream": True}
        assert (await gateway.call("/responses", body)).status == 200
    [line] = await world.ledger_entries(1)
    assert line["cost_nanos"] == (20 * 50 + 10 * 400) // 2

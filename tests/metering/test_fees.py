"""Fees of hosted tools are charged as used, and the most that a request allows is held for them."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tidegate.core import endpoints
from tidegate.core.config import MeteringConfig, ModelPrice
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import ClientDisconnected, FirstByteTimeout, UpstreamRejected
from tidegate.core.values import Outcome
from tidegate.metering import price_list
from tidegate.metering.fees import ToolFees, max_tool_fees, needs_tool_call_limit, tool_fees
from tidegate.metering.prices import Prices
from tidegate.simulator.answers.hosted_tools import image_tokens
from tidegate.wire import sse
from tidegate.wire.call import parse

AT = 1_795_780_800.0
INPUT = 100
PROMPT = INPUT + 1_000
"""Input tokens of an image: those of the call, and the prompt that the model writes."""
PRICES = Prices(MeteringConfig(assumed_tool_calls=4), price_list.load())
SEARCH = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "tide"}}
WEB: dict[str, Any] = {"tools": [{"type": "web_search"}]}
PYTHON = {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}


IMAGES, MADE = {"type": "image_generation"}, {"type": "image_generation_call"}
SMALL = {"size": "1024x1024", "quality": "low"}
FLAT = Prices(
    MeteringConfig(assumed_tool_calls=4, tool_prices={"image_generation": Decimal("0.05")}), price_list.load()
)


def charged(
    outcome: Outcome, body: dict[str, Any], route: Endpoint = endpoints.RESPONSES, model: str = "gpt-5"
) -> ToolFees:
    return tool_fees(
        PRICES, outcome, route=route, model=model, target=f"openai/{model}", body=body, at=AT, input_tokens=INPUT
    )


def held(body: dict[str, Any], prices: Prices = PRICES, targets: tuple[str, ...] = ("openai/gpt-5",)) -> ToolFees:
    return max_tool_fees(
        prices, endpoints.RESPONSES, "gpt-5", body, targets=targets, seconds=None, at=AT, input_tokens=INPUT
    )


def answered(output: list[Any], **more: Any) -> Outcome:
    return Outcome(events=(msgspec.json.encode({"status": "completed", "output": output, **more}),))


@pytest.mark.parametrize(
    ("outcome", "body", "nanos"),
    [
        (answered([SEARCH] * 3), WEB, 30_000_000),
        (answered([SEARCH] * 3, tool_usage={"web_search": {"num_requests": 2}}), WEB, 20_000_000),
        (answered([SEARCH]), {"tools": [{"type": "web_search_preview"}]}, 10_000_000),
        (answered([{"type": "file_search_call"}]), {"tools": [{"type": "file_search"}]}, 2_500_000),
        (answered([{"type": "code_interpreter_call", "container_id": "a"}]), {"tools": [PYTHON]}, 120_000_000),
        (answered([MADE]), {"tools": [IMAGES]}, PROMPT * 5_000 + 6240 * 40_000),
        (answered([MADE] * 2), {"tools": [{**IMAGES, **SMALL}]}, 2 * (PROMPT * 5_000 + 272 * 40_000)),
        (answered([{**MADE, **SMALL}]), {"tools": [IMAGES]}, PROMPT * 5_000 + 272 * 40_000),
        (
            answered(
                [{"type": "image_generation_call"}],
                tool_usage={"image_gen": {"input_tokens": 100, "output_tokens": 1000}},
            ),
            {"tools": [{"type": "image_generation", "model": "gpt-image-1.5"}]},
            100 * 5_000 + 1000 * 32_000,
        ),
        (answered([{"type": "message"}]), WEB, 0),
        (answered([SEARCH]), {}, 0),
    ],
)
def test_the_tools_that_an_answer_used_cost(outcome: Outcome, body: dict[str, Any], nanos: int) -> None:
    assert charged(outcome, body) == ToolFees(nanos=nanos)


def test_a_search_model_of_chat_searches_once_for_each_answer() -> None:
    outcome = Outcome(events=(b"{}",), target_model="gpt-4o-search-preview")

    assert charged(outcome, {}, endpoints.CHAT, "gpt-4o-search-preview").nanos == 25_000_000


def test_a_tool_without_a_price_is_named() -> None:
    tools = {"tools": [{"type": "tea_making"}, {"type": "web_search"}]}

    assert charged(answered([{"type": "tea_making_call"}, SEARCH]), tools) == ToolFees(
        nanos=10_000_000, unpriced=("tea_making",)
    )


def test_an_image_model_without_a_price_is_named_and_its_images_cost_what_is_configured() -> None:
    tools = {"tools": [{**IMAGES, "model": "my-images"}]}
    images = answered([MADE] * 2, tool_usage={"image_gen": {"output_tokens": 9}})
    with_fee = tool_fees(
        FLAT, images, route=endpoints.RESPONSES, model="gpt-5", target="", body=tools, at=AT, input_tokens=INPUT
    )

    assert charged(images, tools) == ToolFees(nanos=0, unpriced=("my-images",))
    assert charged(answered([MADE]), tools) == ToolFees(nanos=0, unpriced=("image_generation",))
    assert with_fee == ToolFees(nanos=100_000_000, unpriced=("my-images",))


@pytest.mark.parametrize(
    ("tool", "more", "nanos"),
    [
        (SMALL, {"max_tool_calls": 1}, PROMPT * 5_000 + 272 * 40_000),
        (SMALL, {}, 4 * (PROMPT * 5_000 + 272 * 40_000)),
        ({}, {"max_tool_calls": 1}, PROMPT * 5_000 + 6240 * 40_000),
        ({"model": "gpt-image-2", "quality": "medium"}, {"max_tool_calls": 2}, 2 * (PROMPT * 5_000 + 1756 * 30_000)),
        ({**SMALL, "partial_images": 3}, {"max_tool_calls": 1}, PROMPT * 5_000 + (272 + 300) * 40_000),
        (SMALL, {"max_tool_calls": 0}, 0),
        (
            SMALL,
            {"max_tool_calls": 1, "input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            PROMPT * 5_000 + 6_500 * 10_000 + 272 * 40_000,
        ),
    ],
)
def test_an_image_is_held_by_its_size_quality_and_number(
    tool: dict[str, Any], more: dict[str, Any], nanos: int
) -> None:
    assert held({"tools": [{**IMAGES, **tool}], **more}) == ToolFees(nanos=nanos)


def test_an_image_model_without_a_price_is_refused_under_a_budget_unless_a_fee_is_configured() -> None:
    body = {"tools": [{**IMAGES, "model": "my-images"}], "max_tool_calls": 1}

    assert held(body) == ToolFees(nanos=0, unpriced=("image_generation",))
    assert held(body, FLAT) == ToolFees(nanos=50_000_000)
    assert held({**body, "tools": [{**IMAGES, **SMALL}]}, FLAT).nanos == 50_000_000  # more than its tokens


@pytest.mark.parametrize("model", ["gpt-image-1", "gpt-image-2"])
@pytest.mark.parametrize("quality", ["low", "medium", "high", "auto"])
@pytest.mark.parametrize("size", ["1024x1024", "1024x1536", "1536x1024", "auto"])
def test_no_image_of_the_simulators_bill_costs_more_than_is_held(model: str, quality: str, size: str) -> None:
    tool = {**IMAGES, "model": model, "quality": quality, "size": size}
    used = {"input_tokens": 40, "output_tokens": image_tokens(tool)}
    stated = answered([MADE], tool_usage={"image_gen": used})

    assert charged(stated, {"tools": [tool]}).nanos <= held({"tools": [tool], "max_tool_calls": 1}).nanos


def test_what_was_seen_of_a_stream_that_was_cut_off_is_charged() -> None:
    item = {"type": "response.output_item.added", "output_index": 0, "item": {"type": "web_search_call"}}
    outcome = Outcome(error=ClientDisconnected(), stream=True, events=(sse.encode(msgspec.json.encode(item)),))

    assert charged(outcome, WEB).nanos == 10_000_000


@pytest.mark.parametrize(
    ("outcome", "calls"),
    [
        (Outcome(error=FirstByteTimeout(), seconds=60.0), 4),
        (Outcome(error=FirstByteTimeout(), seconds=1.5), 2),
        (Outcome(error=ClientDisconnected(), seconds=0.1), 1),
        (Outcome(error=UpstreamRejected(), seconds=60.0), 0),
    ],
)
def test_a_lost_answer_in_one_piece_may_have_used_all_its_tools(outcome: Outcome, calls: int) -> None:
    assert charged(outcome, WEB).nanos == calls * 10_000_000


@pytest.mark.parametrize(
    ("body", "nanos"),
    [
        ({}, 0),
        ({"tools": [{"type": "function", "name": "f"}]}, 0),
        (WEB, 4 * 10_000_000),
        ({**WEB, "max_tool_calls": 2}, 2 * 10_000_000),
        ({**WEB, "max_tool_calls": 0}, 0),
        ({**WEB, "max_tool_calls": True}, 4 * 10_000_000),
        ({"tools": [{"type": "file_search"}, {"type": "web_search"}]}, 4 * 10_000_000),
        ({"tools": [PYTHON]}, 120_000_000),
        ({"tools": [PYTHON, {"type": "web_search"}], "max_tool_calls": 1}, 120_000_000 + 10_000_000),
    ],
)
def test_the_most_that_a_request_allows_is_held(body: dict[str, Any], nanos: int) -> None:
    assert held(body) == ToolFees(nanos=nanos)


def test_the_dearest_target_is_held_and_a_price_that_any_lacks_is_named() -> None:
    dear = ModelPrice(input=Decimal(1), tool_prices={"web_search": Decimal("0.02"), "tea_making": Decimal(1)})
    ours = Prices(MeteringConfig(prices={"dear/*": dear}), price_list.load())
    targets = ("openai/gpt-5", "dear/gpt-5")

    both = held({**WEB, "max_tool_calls": 1}, ours, targets)
    unknown = held({"tools": [{"type": "tea_making"}]}, ours, targets)

    assert both == ToolFees(nanos=20_000_000)
    assert unknown.unpriced == ("tea_making",)


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        ({}, False),
        (WEB, True),
        ({**WEB, "max_tool_calls": 3}, False),
        ({"tools": [PYTHON]}, False),
        ({"tools": [{"type": "function", "name": "f"}]}, False),
    ],
)
def test_a_limit_of_calls_is_needed_where_each_call_costs(body: dict[str, Any], needed: bool) -> None:
    call = parse(endpoints.RESPONSES, msgspec.json.encode({"model": "gpt-5", "input": "hi", **body}))

    assert needs_tool_call_limit(call) is needed
    limited = call.with_tool_call_limit(5)
    assert limited.body["max_tool_calls"] == 5
    assert msgspec.json.decode(limited.upstream_body())["max_tool_calls"] == 5
    assert limited.additions == ("max_tool_calls: set to 5",)
    assert not needs_tool_call_limit(limited)

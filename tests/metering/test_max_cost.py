"""The reserved cost is never below the real one, whatever the call, and not much above it."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core import endpoints
from tidegate.core.config import MeteringConfig, ModelPrice
from tidegate.core.endpoints import Endpoint
from tidegate.core.values import Usage
from tidegate.metering import price_list
from tidegate.metering.max_cost import MaxCost, max_cost, model_output_limit, price_unknown
from tidegate.metering.prices import Prices
from tidegate.simulator.answers import chat, embeddings, responses
from tidegate.simulator.answers.reply import AnswerIdentity, Json
from tidegate.wire.call import Call, parse
from tidegate.wire.charges.usage import from_wire

AT = 1_795_780_800.0
UNKNOWN = ModelPrice(input=Decimal(10), output=Decimal(40))
PRICES = Prices(MeteringConfig(unknown_model_price=UNKNOWN), price_list.load())
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4o-audio-preview", "gpt-4.1-nano", "gpt-5", "gpt-5-mini", "o3", "o4-mini")

words = st.text(max_size=300) | st.sampled_from(
    ("tide " * 400, " " * 999, "\U0001f30a" * 200, "x" * 70_000, "潮" * 30_000)
)
parts = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, words)
    | st.just({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
    min_size=1,
    max_size=4,
)
schema = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
tool = {"type": "function", "function": {"name": "tide", "parameters": schema}}
optional: dict[str, Any] = {
    "max_tokens": st.integers(1, 3000),
    "max_completion_tokens": st.integers(1, 3000),
    "n": st.integers(1, 5),
    "service_tier": st.sampled_from(("auto", "default", "flex", "priority", "fast")),
    "tools": st.just([tool]),
    "reasoning_effort": st.sampled_from(("minimal", "low", "medium", "high")),
    "modalities": st.just(["text", "audio"]),
    "response_format": st.just({"type": "json_object"}),
}
chats = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.sampled_from(("user", "system")), "content": words | parts}),
            min_size=1,
            max_size=5,
        ),
    },
    optional=optional,
)
asked = st.fixed_dictionaries(
    {"model": st.sampled_from(MODELS), "input": words},
    optional={"max_output_tokens": st.integers(1, 3000), "instructions": words,
              "service_tier": st.sampled_from(("auto", "default", "flex", "priority"))},
)  # fmt: skip
embedded = st.fixed_dictionaries(
    {
        "model": st.sampled_from(("text-embedding-3-small", "text-embedding-3-large")),
        "input": st.text(min_size=1) | st.lists(st.text(min_size=1, max_size=50), min_size=1, max_size=20)
        | st.lists(st.integers(0, 100_000), min_size=1, max_size=300),
    }
)  # fmt: skip
IDENTITY = AnswerIdentity(digits="0" * 32, now=AT)


def call(route: Endpoint, body: dict[str, Any]) -> Call:
    return parse(route, msgspec.json.encode(body))


def most(route: Endpoint, body: dict[str, Any]) -> int:
    return max_cost(call(route, body), PRICES, at=AT, exact=True).nanos


def paid(model: str, answer: Json) -> int:
    """Return the settled cost of the answer."""
    usage = from_wire(msgspec.json.encode(answer["usage"]))
    return PRICES.cost(model, usage, at=AT, tier=answer.get("service_tier"))


@settings(max_examples=150, deadline=None)
@given(body=chats)
def test_a_chat_never_costs_more(body: dict[str, Any]) -> None:
    answer = chat.reply(body, chat.generation_request(body, None), IDENTITY).body
    assert paid(body["model"], answer) <= most(endpoints.CHAT, body)


@settings(max_examples=60, deadline=None)
@given(body=asked)
def test_a_response_never_costs_more(body: dict[str, Any]) -> None:
    answer = responses.reply(body, responses.generation_request(body, None), IDENTITY).body
    assert paid(body["model"], answer) <= most(endpoints.RESPONSES, body)


@settings(max_examples=60, deadline=None)
@given(body=embedded)
def test_an_embedding_never_costs_more(body: dict[str, Any]) -> None:
    assert paid(body["model"], embeddings.reply(body).body) <= most(endpoints.EMBEDDINGS, body)


def test_moderations_are_free() -> None:
    assert most(endpoints.MODERATIONS, {"input": "x"}) == 0


def chat_of(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "service_tier": "default", **fields}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (chat_of("hi", max_tokens=100), 116),
        (chat_of("hi", max_tokens=100, max_completion_tokens=300), 316),
        (chat_of("hi", max_tokens=100, n=3), 348),
        (chat_of("hi", max_tokens=100.0, n=2.0), 232),
        (chat_of("hi", max_tokens=10**9), 16_384),
        (chat_of("hi"), 16_384),
        (chat_of("hi", max_tokens=0), 16_384),
        (chat_of("hi", max_tokens="7"), 16_384),
        (chat_of("hi", max_tokens=True), 16_384),
        (chat_of("hi", model="ft:gpt-4:me", max_tokens=10**9), 8_192),
        (chat_of("hi", model="gpt-5-nano"), 128_000),
        (chat_of("hi", model="nobody-knows"), 128_000),
        (chat_of("hi", model="nobody-knows", max_tokens=200_000), 200_016),
    ],
)
def test_the_output_is_bounded_by_what_is_stated_and_by_the_model(body: dict[str, Any], tokens: int) -> None:
    nothing = most(endpoints.CHAT, {**body, "max_tokens": 1, "max_completion_tokens": 1, "n": 1})
    one = PRICES.max_cost(body["model"], Usage(output=1000), at=AT, tier="default") / 1000
    written = (most(endpoints.CHAT, body) - nothing) / one + 17
    assert written == pytest.approx(tokens, rel=0.001, abs=8)


def test_tools_are_held_and_what_has_no_price_is_named() -> None:
    prices = Prices(MeteringConfig(assumed_tool_calls=7), price_list.load())
    asked = {"model": "gpt-5", "input": "hi", "max_output_tokens": 100}

    def held(**fields: Any) -> MaxCost:
        request = call(endpoints.RESPONSES, {**asked, **fields})
        return max_cost(request, prices, at=AT, exact=True, targets=("openai/gpt-5",))

    search = held(tools=[{"type": "web_search"}])
    assert search.nanos - held(tools=[{"type": "mcp", "server_label": "m"}]).nanos == pytest.approx(
        70_000_000, rel=0.01
    )
    assert held(tools=[{"type": "tea_making"}]).unpriced == ("tea_making",)
    assert held().unpriced == search.unpriced == ()


@pytest.mark.parametrize(
    ("names", "says", "param"),
    [
        (("own/llama-99",), 'metering.prices."own/llama-99" or metering.unknown_model_price', "model"),
        (("tea_making", "own/llama-99"), 'metering.prices."own/llama-99"', "model"),
        (("tea_making",), "metering.tool_prices.tea_making.", "tools"),
    ],
)
def test_a_price_that_is_missing_is_told_with_the_key_to_set(names: tuple[str, ...], says: str, param: str) -> None:
    error = price_unknown(names)

    assert says in error.message
    assert error.param == param


@pytest.mark.parametrize(
    ("fields", "at_least"),
    [
        ({}, 20),
        ({"prompt": {"id": "pmpt_1"}}, 128_000),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, 128_000),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]}, 1_445),
        ({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 48_000),
        ({"messages": [{"role": "user", "content": [{"n": 1}] * 100_001}]}, 128_000),
        ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, 128_000),
        ({"web_search_options": {}}, 128_000),
        ({"model": "gpt-4o-search-preview"}, 128_000),
        ({"tools": [{"type": "web_search"}]}, 128_000),
        ({"tools": [{"type": "mcp", "server_label": "tides"}]}, 128_000),
        ({"tools": [{"type": "custom", "name": "tides"}]}, 25),
        ({"messages": [{"role": "user", "content": [{"type": ["image_url"]}, {"type": {"file": 1}}]}]}, 25),
    ],
)
def test_what_cannot_be_seen_may_fill_the_context(fields: dict[str, Any], at_least: int) -> None:
    body = chat_of("hi", max_tokens=1, **fields)
    one = PRICES.max_cost(body["model"], Usage(input=1000), at=AT, tier="default") / 1000
    read = most(endpoints.CHAT, body) / one
    assert at_least <= read <= at_least * 1.1 + 150


def test_a_long_text_is_bounded_without_being_counted() -> None:
    simple, dense = "tide " * 10_000, "\U0001f30a" * 20_000
    body = chat_of(simple + dense, max_tokens=1, model="gpt-4.1")
    one = PRICES.max_cost("gpt-4.1", Usage(input=1000), at=AT, tier="default") / 1000
    assert most(endpoints.CHAT, body) / one >= 10_000 + 3 * 20_000


@pytest.mark.parametrize(
    ("tier", "dearer"),
    [("default", False), ("flex", False), ("auto", True), (None, True), ("priority", True), (7, True)],
)
def test_who_does_not_say_otherwise_may_be_served_with_priority(tier: object, dearer: bool) -> None:  # such a call
    usual = most(endpoints.CHAT, chat_of("hi", max_tokens=50))
    assert (most(endpoints.CHAT, chat_of("hi", max_tokens=50, service_tier=tier)) > usual) is dearer


def test_a_rate_is_charged_what_is_likely() -> None:
    quick = max_cost(call(endpoints.CHAT, chat_of("hi")), PRICES, at=AT, exact=False)
    counted = max_cost(call(endpoints.CHAT, chat_of("hi")), PRICES, at=AT, exact=True)
    assert 256 < counted.tokens < 280
    assert 256 < quick.tokens < 320


@pytest.mark.parametrize("number", [10**30, 1e300])
def test_an_absurd_limit_is_still_a_number(number: float) -> None:
    body = msgspec.json.encode({"model": "m", "messages": []})[:-1] + f',"max_tokens":{number}}}'.encode()
    assert 0 < max_cost(parse(endpoints.CHAT, body), PRICES, at=AT, exact=True).nanos < 2**53


@pytest.mark.parametrize(("model", "tokens"), [("gpt-5-chat-latest", 16_384), ("ft:gpt-3.5-turbo:x:y", 4_096)])
def test_the_longest_output_is_known_by_name(model: str, tokens: int) -> None:
    assert model_output_limit(model) == tokens


def test_an_image_is_not_taken_for_a_long_text_where_nothing_is_counted() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}
    text = {"type": "text", "text": "tide " * 80_000}
    sizes = {}
    for name, part in (("image", image), ("text", text)):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": [part]}], "max_tokens": 10}
        call = parse(endpoints.CHAT, msgspec.json.encode(body))
        sizes[name] = max_cost(call, PRICES, at=AT, exact=False).tokens
    assert sizes["image"] < 2_000
    assert sizes["text"] > 80_000


def test_a_rejected_prediction_is_charged_as_if_it_were_written() -> None:
    predicted = chat_of("hi", max_tokens=10, prediction={"type": "content", "content": "tide " * 500})
    written = PRICES.max_cost("gpt-4o", Usage(output=500), at=AT, tier="default")
    assert most(endpoints.CHAT, predicted) >= most(endpoints.CHAT, chat_of("hi", max_tokens=10)) + written


def test_what_is_set_aside_covers_the_dearest_target() -> None:
    names = {"own/gpt-4o": 100, "spare/gpt-4o": 1}
    ours = {name: ModelPrice(input=Decimal(usd), output=Decimal(usd)) for name, usd in names.items()}
    prices = Prices(MeteringConfig(prices=ours), price_list.load())
    body = call(endpoints.CHAT, chat_of("hi", max_tokens=100))
    asides = {
        targets: max_cost(body, prices, at=AT, exact=True, targets=targets)
        for targets in (("openai/gpt-4o",), ("own/gpt-4o",), ("openai/gpt-4o", "own/gpt-4o", "spare/gpt-4o"))
    }
    listed, own, all_three = asides.values()
    assert all_three.nanos == own.nanos
    assert own.nanos >= 100 * 100_000 > listed.nanos

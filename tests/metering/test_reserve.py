"""What is set aside for a call is never less than it costs, whatever it asks; and not much more than it may."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.config import MeteringConfig
from tidegate.core.values import Route, Usage
from tidegate.metering import price_list
from tidegate.metering.prices import Prices
from tidegate.metering.reserve import longest_output, reserve
from tidegate.metering.tokens import from_wire
from tidegate.simulator import chat, embeddings, responses
from tidegate.simulator.reply import Identity
from tidegate.wire.call import Call, parse

AT = 1_795_780_800.0
PRICES = Prices(MeteringConfig(), price_list.load())
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4o-audio-preview", "gpt-4.1-nano", "gpt-5", "gpt-5-mini", "o3", "o4-mini")

words = st.text(max_size=300) | st.sampled_from(("tide " * 400, " " * 999, "\U0001f30a" * 200, "x" * 70_000, "潮" * 30_000))
parts = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, words)
    | st.just({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
    min_size=1,
    max_size=4,
)
tool = {"type": "function", "function": {"name": "tide", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}}}
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
IDENTITY = Identity(now=AT, new=lambda prefix: prefix + "1", cached_tokens=0) if False else None


def call(route: Route, body: dict[str, Any]) -> Call:
    return parse(route, msgspec.json.encode(body))


def most(route: Route, body: dict[str, Any]) -> int:
    return reserve(call(route, body), PRICES, at=AT, exact=True).nanos

"""A call without usage is counted with OpenAI's own encodings, in bounded time."""

import time
from typing import Any

import pytest

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.core.values import Usage
from tidegate.metering.estimate import EXACT_CHARACTERS, MEDIA_TOKENS, estimate

FOX = "The quick brown fox jumps over the lazy dog."
"""Ten tokens in both encodings."""
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}


CASES: dict[str, tuple[Endpoint, dict[str, Any], int]] = {
    "a message": (endpoints.CHAT, {"messages": [{"role": "user", "content": FOX}]}, 3 + 3 + 1 + 10),
    "its author's name": (
        endpoints.CHAT,
        {"messages": [{"role": "user", "name": "ada", "content": "a"}]},
        3 + 3 + 4,
    ),
    "two messages": (endpoints.CHAT, {"messages": [{"role": "user", "content": FOX}] * 2}, 3 + 2 * (3 + 1 + 10)),
    "parts": (endpoints.CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": FOX}]}]}, 17),
    "an image": (endpoints.CHAT, {"messages": [{"role": "user", "content": [IMAGE]}]}, 3 + 3 + 1 + MEDIA_TOKENS),
    "a tool's answer": (
        endpoints.CHAT,
        {"messages": [{"role": "tool", "tool_call_id": FOX, "content": "a"}]},
        3 + 3 + 2,
    ),
    "tools": (endpoints.CHAT, {"tools": [TOOL]}, 3 + 19),
    "a text alone": (endpoints.RESPONSES, {"input": FOX}, 3 + 3 + 1 + 10),
    "instructions": (endpoints.RESPONSES, {"instructions": FOX, "input": FOX}, 3 + 2 * (3 + 1 + 10)),
    "items": (endpoints.RESPONSES, {"input": [{"role": "user", "content": FOX}]}, 3 + 3 + 1 + 10),
    "a call": (
        endpoints.RESPONSES,
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "a"}]},
        3 + 3 + 1,
    ),
    "to be embedded": (endpoints.EMBEDDINGS, {"input": FOX}, 10),
    "several": (endpoints.EMBEDDINGS, {"input": [FOX, FOX]}, 20),
    "as tokens": (endpoints.EMBEDDINGS, {"input": [[1, 2, 3], [4]]}, 4),
    "what is not read": (endpoints.CHAT, {"model": FOX, "metadata": {"note": FOX}, "user": FOX}, 3),
    "nothing": (endpoints.EMBEDDINGS, {"input": 1.5, "tools": []}, 0),
}


@pytest.mark.parametrize(("route", "body", "tokens"), CASES.values(), ids=CASES)
def test_what_the_model_reads_is_counted(route: Endpoint, body: dict[str, Any], tokens: int) -> None:
    assert estimate(route, "gpt-4o-mini", body, ()) == Usage(input=tokens, estimated=True)


def test_each_text_of_the_output_is_counted_as_far_as_it_came() -> None:
    assert estimate(endpoints.EMBEDDINGS, "gpt-4o-mini", {}, [FOX, "The", "re"]) == Usage(output=12, estimated=True)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [("gpt-4o", 2), ("o3", 2), ("anything", 2), ("gpt-4", 5), ("gpt-4-turbo", 5), ("text-embedding-3-small", 5)],
)
def test_each_model_counts_in_its_own_encoding(model: str, tokens: int) -> None:
    assert estimate(endpoints.EMBEDDINGS, model, {"input": "안녕하세요"}, ()).input == tokens


def test_half_a_surrogate_pair_is_counted_too() -> None:
    assert estimate(endpoints.EMBEDDINGS, "gpt-4o", {"input": "a\ud83d"}, ["\ud83d"]).input == 2


@pytest.mark.parametrize("text", ["word " * 2_000_000, "a" * 10_000_000, "\0" * 10_000_000])
def test_a_very_long_text_is_scaled_from_its_beginning(text: str) -> None:
    began = time.process_time()

    result = estimate(endpoints.EMBEDDINGS, "gpt-4o", {"input": text}, [text])

    assert time.process_time() - began < 1.0
    shortened = estimate(endpoints.EMBEDDINGS, "gpt-4o", {"input": text[:EXACT_CHARACTERS]}, ())
    assert result.input == pytest.approx(shortened.input * len(text) / EXACT_CHARACTERS, rel=0.01)
    assert result.output == result.input


@pytest.mark.parametrize(
    "value",
    [[0] * 1_000_000, [["x"] * 1000] * 1000, [{"role": "user"}] * 500_000],
    ids=["flat", "two levels", "messages"],
)
def test_a_body_of_very_many_values_is_counted_only_so_far(value: Any) -> None:
    began = time.process_time()

    assert estimate(endpoints.EMBEDDINGS, "gpt-4o", {"input": value}, ()).input > 0

    assert time.process_time() - began < 1.0


def test_a_deeply_nested_body_does_not_exhaust_the_stack() -> None:
    value: Any = "x"
    for _ in range(50_000):
        value = [value]

    assert estimate(endpoints.EMBEDDINGS, "gpt-4o", {"input": value}, ()).input == 1

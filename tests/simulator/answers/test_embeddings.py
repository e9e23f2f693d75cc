"""Embeddings have length 1, are the same in both encodings, and are close for texts that share words."""

import base64
import math
import re
from array import array
from typing import Any

import msgspec
import pytest
from openai.types import CreateEmbeddingResponse

from tidegate.simulator.answers.embeddings import reply, vector
from tidegate.simulator.refusal import Refusal


def ask(**more: Any) -> dict[str, Any]:
    return reply({"model": "text-embedding-3-small", "input": "high tide", **more}).body


def likeness(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(vector(one, 512), vector(other, 512), strict=True))


@pytest.mark.parametrize(
    ("more", "count", "size"),
    [
        ({}, 1, 1536),
        ({"dimensions": 8}, 1, 8),
        ({"model": "text-embedding-3-large"}, 1, 3072),
        ({"input": ["a", "b"]}, 2, 1536),
        ({"input": [1, 2, 3]}, 1, 1536),
        ({"input": [[1, 2], [3]]}, 2, 1536),
    ],
)
def test_the_answer_validates_strictly(more: dict[str, Any], count: int, size: int) -> None:
    answer = CreateEmbeddingResponse.model_validate_json(msgspec.json.encode(ask(**more)), strict=True)
    assert [len(one.embedding) for one in answer.data] == [size] * count


@pytest.mark.parametrize(
    ("more", "message", "code"),
    [
        ({"input": None}, "'$.input' is invalid", None),
        ({"input": []}, "'$.input' is invalid", None),
        ({"input": ""}, "'$.input' is invalid", None),
        ({"input": ["a", 1]}, "'$.input' is invalid", None),
        ({"input": ["a"] * 2049}, "'$.input' is invalid", None),
        ({"input": [[1] * 8193]}, "maximum context length is 8192 tokens, however you requested 8193 tokens", None),
        ({"input": [[1] * 8000] * 38}, "maximum request size is 300000 tokens", "max_tokens_per_request"),
        ({"dimensions": 2000}, "'dimensions' = 2000. Must be less than or equal to 1536.", None),
    ],
)
def test_an_input_that_is_too_large_is_refused(more: dict[str, Any], message: str, code: str | None) -> None:
    with pytest.raises(Refusal, match=re.escape(message)) as refused:
        ask(**more)
    assert refused.value.error["code"] == code


def test_both_encodings_hold_the_same_numbers() -> None:
    packed = array("f", base64.b64decode(ask(encoding_format="base64", dimensions=64)["data"][0]["embedding"]))
    assert list(packed) == pytest.approx(ask(dimensions=64)["data"][0]["embedding"], abs=1e-6)


def test_a_vector_has_length_one() -> None:
    assert math.hypot(*vector("the tide comes in", 256)) == pytest.approx(1.0)


def test_texts_that_share_words_are_close() -> None:
    assert likeness("when is high tide", "when is high tide today") > 0.8
    assert abs(likeness("when is high tide", "buy more potatoes")) < 0.3

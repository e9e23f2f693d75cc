"""Embeddings have length 1, are the same in both encodings, and are close for texts that share words."""

import base64
import math
from array import array
from typing import Any

import msgspec
import pytest
from openai.types import CreateEmbeddingResponse

from tidegate.simulator.answers.embeddings import reply, vector


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


def test_both_encodings_hold_the_same_numbers() -> None:
    packed = array("f", base64.b64decode(ask(encoding_format="base64", dimensions=64)["data"][0]["embedding"]))
    assert list(packed) == pytest.approx(ask(dimensions=64)["data"][0]["embedding"], abs=1e-6)


def test_a_vector_has_length_one() -> None:
    assert math.hypot(*vector("the tide comes in", 256)) == pytest.approx(1.0)


def test_texts_that_share_words_are_close() -> None:
    assert likeness("when is high tide", "when is high tide today") > 0.8
    assert abs(likeness("when is high tide", "buy more potatoes")) < 0.3

"""A text is cut into chunks that overlap, found by its words, and kept apart by its attributes."""

from itertools import pairwise
from typing import Any

import pytest

from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.stored.chunks import index, matches, scores

_FOUR_AND_LESS = [{"type": "eq", "key": "depth", "value": 4}, {"type": "lt", "key": "depth", "value": 4}]
_SMALL = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}}


@pytest.mark.parametrize(("length", "chunks"), [(0, 1), (400, 1), (401, 2), (600, 2), (601, 3), (10**6, 200)])
def test_chunks_overlap(length: int, chunks: int) -> None:
    text = "".join(str(number % 10) for number in range(length))
    found = index(text.encode(), _SMALL)
    assert len(found) == chunks
    assert found[0].text == text[:400]
    assert all(chunk.text[:200] == before.text[200:] for before, chunk in pairwise(found[:-1]))


def test_the_chunk_with_the_same_words_is_closest() -> None:
    chunks = [index(text.encode(), {})[0] for text in ("the tide is high", "bread is baked", "tide high is the")]
    found = scores("the tide is high", chunks)
    assert found[0] == found[2] == pytest.approx(1.0)
    assert 0 <= found[1] < 0.9


def test_what_is_no_text_is_not_indexed() -> None:
    with pytest.raises(UnicodeDecodeError):
        index(b"\xff\xfe\x00", {})


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({"type": "eq", "key": "sea", "value": "north"}, True),
        ({"type": "ne", "key": "sea", "value": "north"}, False),
        ({"type": "gt", "key": "depth", "value": 3}, True),
        ({"type": "lte", "key": "depth", "value": 3}, False),
        ({"type": "gte", "key": "sea", "value": 3}, False),
        ({"type": "in", "key": "sea", "value": ["north", "east"]}, True),
        ({"type": "nin", "key": "sea", "value": ["north"]}, False),
        ({"type": "and", "filters": _FOUR_AND_LESS}, False),
        ({"type": "or", "filters": _FOUR_AND_LESS}, True),
    ],
)  # fmt: skip
def test_a_filter_compares_attributes(wanted: dict[str, Any], fits: bool) -> None:
    assert matches({"sea": "north", "depth": 4}, wanted) is fits


@pytest.mark.parametrize(
    "wanted", [{}, {"type": "like"}, {"type": "eq", "key": "a"}, [], {"type": "and", "filters": [1]}]
)
def test_a_filter_that_is_none_is_refused(wanted: Any) -> None:
    with pytest.raises(Refusal):
        matches({}, wanted)


def test_a_filter_that_goes_too_deep_is_refused() -> None:
    wanted: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(20):
        wanted = {"type": "and", "filters": [wanted]}
    with pytest.raises(Refusal):
        matches({}, wanted)

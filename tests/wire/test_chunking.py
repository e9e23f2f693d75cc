"""A text is cut into a few pieces; joined, they are the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.wire.chunking import cut_evenly


@given(st.text(max_size=500))
def test_the_pieces_joined_are_the_text(text: str) -> None:
    pieces = cut_evenly(text)
    assert "".join(pieces) == text
    assert all(pieces)


def test_a_long_text_comes_in_a_handful() -> None:
    assert 2 < len(cut_evenly("the tide comes in and goes out " * 300)) < 12


@pytest.mark.parametrize("grapheme", ["👩‍👩‍👧", "e\u0301", "👍🏽", "❤️", "🇳🇱"])
def test_what_a_reader_sees_as_one_character_stays_whole(grapheme: str) -> None:
    for before in range(14, 18):
        pieces = cut_evenly("x" * before + grapheme + "y" * 20)
        assert any(grapheme in piece for piece in pieces)

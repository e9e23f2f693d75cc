"""Texts are cut into tokens that join to the text, and seeds do not depend on the order of keys."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.simulator.words import count, prose, seed_of, tokens_of


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(tokens_of(text)) == text


@pytest.mark.parametrize("length", [0, 1, 5, 200])
def test_prose_has_the_length_it_is_given(length: int) -> None:
    tokens = prose("You said: 'Hi'.", Random(1), length)  # noqa: S311  # repeatable on purpose
    assert len(tokens) == length
    assert tokens_of("".join(tokens)) == tokens


def test_a_seed_depends_on_the_value_alone() -> None:
    assert seed_of({"a": 1, "b": [2]}) == seed_of({"b": [2], "a": 1}) != seed_of({"a": 1, "b": [3]})


def test_four_bytes_are_a_token() -> None:
    assert [count(text) for text in ("", "a", "tide", "tides", "é" * 4)] == [0, 1, 1, 2, 2]

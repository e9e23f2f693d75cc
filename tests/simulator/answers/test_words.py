"""Generated texts have the wanted length in tokens, and seeds do not depend on the order of keys."""

from random import Random

import pytest

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.words import prose, seed_of

TOKENS = tokens_for("gpt-4o")


@pytest.mark.parametrize("length", [0, 1, 5, 200])
def test_prose_has_the_length_it_is_given(length: int) -> None:
    tokens = prose("You said: 'Hi'.", Random(1), length, TOKENS)  # noqa: S311  # repeatable on purpose
    assert len(tokens) == length
    assert TOKENS.split("".join(tokens)) == tokens


def test_a_seed_depends_on_the_value_alone() -> None:
    assert seed_of({"a": 1, "b": [2]}) == seed_of({"b": [2], "a": 1}) != seed_of({"a": 1, "b": [3]})

"""The text that is generated for a regular expression matches it."""

import re
from random import Random

import pytest

from tidegate.simulator.answers.patterns import matching


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    "pattern",
    [r"^@[a-zA-Z0-9_]+$", r"^\d{4}-\d{2}$", r"(cat|dog)s?", r"^[^abc]{3,}$", r"a.c*\.(?:x|yz){2}", r"^[\w.-]+@\w+\.nl$",
     r"^\+?[1-9]\d{1,14}$", "", r"^(?P<x>[\]\-]){2,3}$"],
)  # fmt: skip
def test_a_text_matches_its_pattern(pattern: str, seed: int) -> None:
    assert re.search(pattern, matching(pattern, Random(seed)))  # noqa: S311  # repeatable on purpose

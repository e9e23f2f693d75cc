"""Identifiers are prefixed, opaque, and never the same twice."""

import re

import pytest

from tidegate.core.ids import new_id


@pytest.mark.parametrize("prefix", ["req_", "p", "sk-tg-", ""])
def test_an_id_is_its_prefix_and_32_digits(prefix: str) -> None:
    assert re.fullmatch(re.escape(prefix) + "[0-9a-f]{32}", new_id(prefix))


def test_no_two_are_alike() -> None:
    assert len({new_id("") for _ in range(10_000)}) == 10_000

"""Identifiers are prefixed, opaque, and never the same twice."""

import re

import pytest

from tidegate.core.ids import IdBlocks, IdSource, new_id


@pytest.mark.parametrize("ids", [new_id, IdBlocks()])
@pytest.mark.parametrize("prefix", ["req_", "p", "sk-tg-", ""])
def test_an_id_is_its_prefix_and_32_digits(prefix: str, ids: IdSource) -> None:
    assert re.fullmatch(re.escape(prefix) + "[0-9a-f]{32}", ids(prefix))


@pytest.mark.parametrize("ids", [new_id, IdBlocks()])
def test_no_two_are_alike(ids: IdSource) -> None:
    assert len({ids("") for _ in range(10_000)}) == 10_000


def test_the_kernel_is_asked_once_for_many() -> None:
    asked: list[int] = []

    def draw(size: int) -> bytes:
        asked.append(size)
        return bytes(range(256)) * (size // 256)

    ids = IdBlocks(draw)
    assert asked == []
    assert [len(ids("")) for _ in range(65)] == [32] * 65
    assert asked == [1024, 1024]

"""A check of provenance has the signals that fit its file, none of them detected."""

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import ask, expect_refusal, form
from tidegate.simulator.resources.media.pictures import picture


@pytest.mark.parametrize(
    ("content", "signals"), [(picture("a", 8, 8), ["c2pa", "synthid"]), (b"ID3 sound", ["synthid"])]
)
async def test_a_picture_has_both_signals_and_a_sound_one(content: bytes, signals: list[str]) -> None:
    async with upstream() as up:
        status, found = await ask(up, "POST", "/content_provenance_checks", form(file=("a", content)))
    assert (status, [one["type"] for one in found["results"]]) == (200, signals)
    assert {one["outcome"] for one in found["results"]} == {"not_detected"}


async def test_a_check_needs_a_file() -> None:
    async with upstream() as up:
        message = "Missing required parameter: 'file'"
        await expect_refusal(up, ("POST", "/content_provenance_checks", form(other="1"), 400, message))

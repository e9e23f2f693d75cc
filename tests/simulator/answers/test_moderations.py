"""A verdict validates strictly, and a few words are flagged."""

from typing import Any

import msgspec
import pytest
from openai.types import ModerationCreateResponse

from tests.simulator.client import IDENTITY
from tidegate.simulator.answers.moderations import reply

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


@pytest.mark.parametrize(
    ("given", "flagged"),
    [
        ("lovely weather", [False]),
        (["lovely weather", "I will kill it"], [False, True]),
        ([{"type": "text", "text": "I hate it"}, IMAGE], [True]),
    ],
)
def test_a_verdict_for_each_input(given: Any, flagged: list[bool]) -> None:
    body = reply({"input": given}, IDENTITY).body
    answer = ModerationCreateResponse.model_validate_json(msgspec.json.encode(body), strict=True)
    assert [result.flagged for result in answer.results] == flagged


def test_a_verdict_says_what_it_looked_at() -> None:
    body = reply({"input": [{"type": "text", "text": "Hi"}, IMAGE]}, IDENTITY).body
    looked_at = body["results"][0]["category_applied_input_types"]
    assert (looked_at["violence"], looked_at["hate"]) == (["text", "image"], ["text"])

"""What a body says of models is found wherever it stands, within bounds."""

from typing import Any

import pytest

from tidegate.pipeline.passthrough.request import BodyFacts, models_in

DEEP: dict[str, Any] = {"model": "deepest"}
for _ in range(100):
    DEEP = {"below": [DEEP]}


@pytest.mark.parametrize(
    ("document", "models"),
    [
        ({}, ()),
        ({"model": "a"}, ("a",)),
        ({"model": 7}, ()),
        ({"data_source": {"model": "b", "source": {"content": [{"model": "c"}]}}, "model": "a"}, ("a", "b", "c")),
        ({"graders": [{"model": "a"}, {"model": "a"}]}, ("a",)),
        (DEEP, ()),
    ],
)
def test_models_are_found_at_any_depth(document: dict[str, Any], models: tuple[str, ...]) -> None:
    assert models_in(document) == models


def test_the_end_user_and_the_stream_are_read_from_json_and_forms() -> None:
    facts = BodyFacts(values={"user": "u-1", "stream": "true"})
    assert (facts.end_user, facts.stream, facts.model) == ("u-1", True, "")
    assert BodyFacts(values={"user": "u-1", "safety_identifier": "s-1", "stream": True}).end_user == "s-1"
    assert BodyFacts(values={"user": ["u"], "stream": "false"}).end_user is None

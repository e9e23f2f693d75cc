"""What a body says of models is found wherever it stands, within bounds."""

import json
from typing import Any

import pytest

from tidegate.core.errors import BodyNotJson, InvalidParameter, TidegateError
from tidegate.pipeline.passthrough.request import BodyFacts, models_in

DEEP: dict[str, Any] = {"model": "deepest"}
for _ in range(90):
    DEEP = {"below": [DEEP]}


@pytest.mark.parametrize(
    ("document", "models"),
    [
        ({}, ()),
        ({"model": "a"}, ("a",)),
        ({"model": 7}, ()),
        ({"data_source": {"model": "b", "source": {"content": [{"model": "c"}]}}, "model": "a"}, ("a", "b", "c")),
        ({"graders": [{"model": "a"}, {"model": "a"}]}, ("a",)),
        (DEEP, ("deepest",)),
    ],
)
def test_models_are_found_at_any_depth(document: dict[str, Any], models: tuple[str, ...]) -> None:
    assert models_in(json.dumps(document).encode()) == models


@pytest.mark.parametrize(
    ("data", "models"),
    [
        (b"", ()),
        (b'{"mod\\u0065l":"a"}', ("a",)),
        (b'\xef\xbb\xbf{"model":"a"}', ("a",)),
        (b'{"model":"a","model":"a"}', ("a",)),
        (b'{"model":"a","x":[{"model":"b"},{"model":"a"}]}', ("a", "b")),
    ],
)
def test_models_are_found_however_they_are_written(data: bytes, models: tuple[str, ...]) -> None:
    assert models_in(data) == models


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"model":"a","model":"b"}', InvalidParameter),
        (b'{"x":{"model":"a","mod\\u0065l":"b"}}', InvalidParameter),
        (b'{"model":"a","model":null}', InvalidParameter),
        (b'{"model":"a","x":' + b"[" * 300 + b"]" * 300 + b"}", BodyNotJson),
        (b'{"model":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", BodyNotJson),
        (b'{"model":', BodyNotJson),
        (b'"model\xff"', BodyNotJson),
    ],
)
def test_a_body_whose_models_are_not_clear_is_refused(data: bytes, error: type[TidegateError]) -> None:
    with pytest.raises(error):
        models_in(data)


def test_the_end_user_and_the_stream_are_read_from_json_and_forms() -> None:
    facts = BodyFacts(values={"user": "u-1", "stream": "true"})
    assert (facts.end_user, facts.stream, facts.model) == ("u-1", True, "")
    assert BodyFacts(values={"user": "u-1", "safety_identifier": "s-1", "stream": True}).end_user == "s-1"
    assert BodyFacts(values={"user": ["u"], "stream": "false"}).end_user is None

"""Requests for embeddings and moderations have OpenAI's types and values."""

import pytest

from tests.simulator.checks.requests import Refused, param_and_code
from tests.simulator.client import Json

REFUSED: list[Refused] = [
    ("embeddings", {"model": "e", "input": 7}, "input", "invalid_type"),
    ("embeddings", {"model": "e", "input": "x", "dimensions": 0}, "dimensions", "integer_below_min_value"),
    ("embeddings", {"model": "e", "input": "x", "encoding_format": "hex"}, "encoding_format", "invalid_value"),
    ("embeddings", {"model": "e", "input": "x", "temperature": 1}, "temperature", "unknown_parameter"),
    ("moderations", {}, "input", "missing_required_parameter"),
    ("moderations", {"input": []}, "input", "empty_array"),
    ("moderations", {"input": [{"type": "song"}]}, "input[0].type", "invalid_value"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_openai_refuses_is_refused(route: str, body: Json, param: str | None, code: str | None) -> None:
    assert param_and_code(route, body) == (param, code)

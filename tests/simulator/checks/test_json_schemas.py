"""A schema that OpenAI cannot follow is refused, a strict one for more reasons."""

import pytest

from tests.simulator.checks.requests import Refused, param_and_code, structured
from tests.simulator.client import Json

REFUSED: list[Refused] = [
    ("chat", structured({"type": "array", "items": {}}), "response_format", "invalid_json_schema"),
    ("chat", structured({"type": "object", "properties": {}}), "response_format", "invalid_json_schema"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_openai_refuses_is_refused(route: str, body: Json, param: str | None, code: str | None) -> None:
    assert param_and_code(route, body) == (param, code)
